// SPDX-License-Identifier: MIT
// The page in a real browser, against the real daemon: what a person does with it.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hand, slowly } from './hand.js';
import { Daemon, Visit, closeBrowser, openBrowser, pause, root, until } from './run.js';

const DIGITS = ['mnist-lenet5-packed-1k5', 'mnist-mlp-3bit', 'mnist-mlp-5bit', 'mnist-mlp-dense'];
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const modelFile = (name) => join(root, 'models', `${name}.tnm`);

before(openBrowser);
after(closeBrowser);

// A test with a daemon and a page; both end with it, and the page must have behaved.
function visit(name, options, run) {
  test(name, async () => {
    const daemon = await new Daemon(options.models ?? DIGITS, options).start();
    let there;
    try {
      there = await Visit.begin(daemon, options.browser);
      await run(there, daemon);
      await there.close();
    } finally {
      await there?.context.close();
      await daemon.remove();
    }
  });
}

// ---- Drawing -----------------------------------------------------------------------------------

async function drawByMouse({ page }, box, strokes) {
  for (const stroke of strokes) {
    const points = slowly(stroke).map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
    await page.mouse.move(...points[0]);
    await page.mouse.down();
    for (const point of points) await page.mouse.move(...point);
    await page.mouse.up();
  }
}

visit('the mouse draws digits, and every level answers', {}, async (there, daemon) => {
  const { page } = there;
  const box = await there.padBox();
  let right = 0;
  for (const [digit, strokes] of hand.entries()) {
    if (digit > 0) await page.locator('#clear').click();
    await drawByMouse(there, box, strokes);
    await until(() => there.settled(), 'an answer');
    const labels = await there.labels();
    assert.equal(labels.length, DIGITS.length);
    right += labels.filter((label) => label === String(digit)).length;
  }
  assert.ok(right >= 10 * DIGITS.length - 4, `${right} of ${10 * DIGITS.length} answers are right`);
});

visit('each level shows its size, its time, its chances and whether it agrees', {}, async (there) => {
  await there.sample(6);
  await there.says('6');
  const rows = await there.page.locator('#levels tr').evaluateAll((all) => all.map((row) => ({
    name: row.querySelector('.model').textContent,
    size: row.querySelector('.size').textContent,
    time: row.querySelector('.time').textContent,
    sure: row.querySelector('.sure').textContent,
    mark: row.querySelector('.mark').textContent,
    heights: [...row.querySelectorAll('.bars i')].map((bar) => Number(bar.style.getPropertyValue('--p'))),
    best: [...row.querySelectorAll('.bars i')].findIndex((bar) => bar.className === 'best'),
  })));
  assert.deepEqual(rows.map((r) => r.name), [...DIGITS].sort((a, b) => statSync(modelFile(b)).size - statSync(modelFile(a)).size));
  for (const row of rows) {
    assert.equal(Number(row.size.replaceAll(',', '')), statSync(modelFile(row.name)).size);
    assert.match(row.time, /^[\d.]+\u202f(µs|ms)$/);
    assert.match(row.sure, /^[\d.]+\u202f%$/);
    assert.equal(row.heights.length, 10);
    assert.ok(Math.abs(row.heights.reduce((a, b) => a + b) - 1) < 0.01, `chances of ${row.name} add up to 1`);
    assert.equal(row.best, 6);
    assert.equal(row.mark, row.name === 'mnist-mlp-dense' ? '' : '✓');
  }
});

visit('levels that differ from the reference are marked', {}, async (there) => {
  await there.page.route('**/compare*', async (route) => {
    const reply = await (await route.fetch()).json();
    const other = reply.results.find((r) => r.model === 'mnist-mlp-3bit');
    Object.assign(other, { label: '1', index: 1, agree: false });
    await route.fulfill({ json: reply });
  });
  await there.sample(7);
  await there.says('7');
  await there.has('#answers-title', '3 of 4 levels agree');
  const row = there.page.locator('#levels tr', { hasText: 'mnist-mlp-3bit' });
  assert.equal(await row.locator('.mark').textContent(), '≠');
  assert.equal(await row.locator('.mark').getAttribute('aria-label'), 'differs from the reference');
});

visit('a finger draws on a phone, and the page stays where it is', { browser: PHONE }, async (there) => {
  const box = await there.padBox();
  const client = await there.context.newCDPSession(there.page);
  const scrolled = () => there.page.evaluate(() => scrollY);
  const start = await scrolled();
  for (const stroke of hand[3]) {
    const points = slowly(stroke).map(([x, y]) => ({ x: box.x + x * box.width, y: box.y + y * box.height }));
    await client.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [points[0]] });
    for (const point of points) await client.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [point] });
    await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  }
  await there.says('3');
  assert.equal(await scrolled(), start);
  assert.ok(await there.page.getByText('Camera').isVisible());
});

visit('what the network saw is shown', {}, async (there, daemon) => {
  await there.sample(2);
  await there.says('2');
  const shown = await there.page.locator('#saw').evaluate((canvas) =>
    [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0));
  // The same drawing, asked by another way.
  const png = await there.page.locator('#ink').evaluate((canvas) => canvas.toDataURL('image/png'));
  const reply = await daemon.json('/classify?pixels=1', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ image: png }),
  });
  assert.equal(reply.label, '2');
  const apart = shown.map((v, i) => Math.abs(v - reply.input.pixels[i]));
  assert.ok(apart.reduce((a, b) => a + b) / 784 < 12, 'the picture shown is not the drawing');
  assert.ok(shown.filter((v) => v > 128).length > 30);
});

visit('undo takes a stroke back, clear all of them', {}, async (there) => {
  const { page } = there;
  const box = await there.padBox();
  assert.ok(await page.locator('#undo').isDisabled());
  await drawByMouse(there, box, hand[4]);
  await there.says('4');
  assert.equal(await page.locator('#ink').getAttribute('aria-label'), 'Drawing of 2 strokes');
  await page.keyboard.press('Control+z');
  assert.equal(await page.locator('#ink').getAttribute('aria-label'), 'Drawing of 1 stroke');
  await page.locator('#clear').click();
  await there.says('–');
  assert.deepEqual([...new Set(await there.labels())], ['–']);
  assert.ok(await page.locator('#pad-hint').isVisible());
});

visit('one question is put at a time, and the newest is answered', {}, async (there) => {
  let open = 0, most = 0, put = 0, moves = 0;
  await there.page.route('**/compare*', async (route) => {
    most = Math.max(most, ++open);
    put++;
    await pause(150); // a slow daemon
    await route.continue();
  });
  there.page.on('response', (r) => r.url().includes('/compare') && open--);
  await drawByMouse(there, await there.padBox(), hand[7]);
  moves = hand[7].flatMap(slowly).length;
  await there.says('7');
  assert.equal(most, 1);
  assert.ok(put > 1 && put < moves, `${put} questions for ${moves} moves`);
});

// ---- Pictures ----------------------------------------------------------------------------------

const seven = join(root, 'tests', 'data', 'img', 'seven.jpg');

visit('a photograph is chosen', {}, async (there) => {
  await there.page.locator('#choose').setInputFiles(seven);
  await there.says('7');
  await there.has('#saw-text', 'JPEG, 640 × 480');
  await there.has('#saw-text', 'inverted');
});

visit('a picture is dropped, and one is pasted', {}, async (there) => {
  const bytes = readFileSync(seven).toString('base64');
  for (const how of ['drop', 'paste']) {
    await there.page.locator('#clear').click({ force: true });
    await there.page.evaluate(([base64, type]) => {
      const file = new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'seven.jpg', { type: 'image/jpeg' });
      const data = new DataTransfer();
      data.items.add(file);
      document.getElementById('ink').dispatchEvent(type === 'drop'
        ? new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data })
        : new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data }));
    }, [bytes, how]);
    await there.says('7');
    await there.page.locator('#clear').click();
    await there.says('–');
  }
});

visit('a kind of picture that only the browser reads is sent as another', {}, async (there) => {
  const webp = await there.page.evaluate(async (base64) => {
    const jpeg = await fetch(base64).catch(() => null) ?? null;
    const image = await createImageBitmap(jpeg ? await jpeg.blob() : new Blob([Uint8Array.from(atob(base64.split(',')[1]), (c) => c.charCodeAt(0))]));
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp').split(',')[1];
  }, `data:image/jpeg;base64,${readFileSync(seven).toString('base64')}`);
  there.faults.length = 0; // the policy refuses to fetch data:, as it should
  await there.page.locator('#choose').setInputFiles({ name: 'seven.webp', mimeType: 'image/webp', buffer: Buffer.from(webp, 'base64') });
  await there.says('7');
});

visit('what is no picture is refused in words', {}, async (there) => {
  await there.page.locator('#choose').setInputFiles({ name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('not a picture') });
  await there.has('#trouble', 'notes.png is not a picture');
  await there.sample(1);
  await there.says('1');
  assert.equal(await there.text('#trouble'), '');
});

// ---- Models ------------------------------------------------------------------------------------

visit('a model is put into service, and rolled back', {}, async (there, daemon) => {
  const { page } = there;
  assert.match(await there.text('#state-text'), /^mnist-mlp-5bit · generation \d+$/);
  await page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
  await there.has('#done', 'mnist-mlp-3bit is active, generation');
  await there.has('#state-text', 'mnist-mlp-3bit');
  assert.equal((await daemon.json('/models')).active, 'mnist-mlp-3bit');
  assert.equal(await page.locator('#levels tr.is-active .model').textContent(), 'mnist-mlp-3bit');
  await page.getByRole('button', { name: 'Roll back to mnist-mlp-5bit' }).click();
  await there.has('#done', 'Back to mnist-mlp-5bit');
  await there.has('#state-text', 'mnist-mlp-5bit');
  assert.equal((await daemon.json('/models')).active, 'mnist-mlp-5bit');
});

visit('a swap by somebody else is not undone unseen', {}, async (there, daemon) => {
  there.forgiven = /412/;
  await there.page.route('**/models', (route) => route.abort()); // the page looks no more
  await fetch(`${daemon.url}/models/mnist-mlp-dense/activate`, { method: 'POST' });
  there.forgiven = /412|ERR_FAILED/;
  await there.page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
  await there.has('#refused', 'generation');
  assert.equal((await daemon.json('/models')).active, 'mnist-mlp-dense');
});

visit('a model is uploaded, activated, and deleted', {}, async (there, daemon) => {
  const { page } = there;
  const file = modelFile('mnist-mlp-packed-3k');
  await page.locator('#upload').setInputFiles({ name: 'mine.tnm', mimeType: '', buffer: readFileSync(file) });
  await there.has('#done', 'mine is here and passed every check');
  await page.locator('#levels tr', { hasText: 'mine' }).waitFor();
  const entry = (await daemon.json('/models')).models.find((m) => m.name === 'mine');
  assert.equal(entry.bytes, statSync(file).size);
  assert.equal(entry.active, false);
  assert.equal(await page.getByRole('button', { name: /^Delete/ }).count(), 1); // what is the owner's stays
  await there.sample(9);
  await there.says('9');
  assert.equal((await there.labels()).length, DIGITS.length + 1);

  await page.getByRole('button', { name: 'Activate mine' }).click();
  await there.has('#state-text', 'mine');
  assert.equal(await page.getByRole('button', { name: 'Delete mine' }).count(), 0);
  await page.getByRole('button', { name: /^Roll back to/ }).click();
  await page.getByRole('button', { name: 'Delete mine' }).click();
  await page.getByRole('button', { name: 'Keep' }).click();
  assert.ok((await daemon.json('/models')).models.some((m) => m.name === 'mine'));
  await page.getByRole('button', { name: 'Delete mine' }).click();
  await page.locator('#sure-box').getByRole('button', { name: 'Delete' }).click();
  await there.has('#done', 'mine is gone');
  await until(async () => !(await daemon.json('/models')).models.some((m) => m.name === 'mine'), 'gone');
  await until(async () => (await page.locator('#levels tr').count()) === DIGITS.length, 'its row is gone');
});

visit('a damaged model is refused, and nothing changes', {}, async (there, daemon) => {
  there.forgiven = /422/;
  const broken = readFileSync(modelFile('mnist-mlp-3bit'));
  broken[broken.length >> 1] ^= 1;
  await there.page.locator('#upload').setInputFiles({ name: 'broken.tnm', mimeType: '', buffer: broken });
  await there.has('#refused', 'checksum');
  assert.equal(await there.text('#done'), '');
  assert.ok(!(await daemon.json('/models')).models.some((m) => m.name === 'broken'));
  await there.page.locator('#upload').setInputFiles({ name: 'a b.tnm', mimeType: '', buffer: broken });
  await there.has('#refused', "is no model's name");
});

visit('files that come and go in the folder are seen', {}, async (there, daemon) => {
  cpSync(modelFile('mnist-mlp-4bit'), join(daemon.models, 'late.tnm'));
  await there.page.locator('#levels tr', { hasText: 'late' }).waitFor();
  writeFileSync(join(daemon.models, 'bad.tnm'), 'no model at all');
  const row = there.page.locator('#shelf tr', { hasText: 'bad' });
  await row.locator('.reason').waitFor();
  assert.match(await row.locator('.reason').textContent(), /^refused: ./);
  rmSync(join(daemon.models, 'late.tnm'));
  await until(async () => (await there.page.locator('#levels tr').count()) === DIGITS.length, 'late is gone');
});

visit('networks of other classes are kept apart', { models: [...DIGITS, 'fashion-mlp-packed'] }, async (there) => {
  await there.sample(0);
  await there.says('0');
  assert.equal((await there.labels()).length, DIGITS.length);
  await there.page.locator('#tasks').getByRole('button', { name: /T-shirt/ }).click();
  await until(async () => (await there.labels()).length === 1 && (await there.labels())[0].length > 2, 'a garment');
  assert.equal(await there.page.locator('#samples').isVisible(), false);
});

// ---- Tokens ------------------------------------------------------------------------------------

async function giveToken(page, token) {
  await page.locator('#token').fill(token);
  await page.locator('#token').press('Enter');
}

visit('who may ask only is asked for another token where that is not enough', {
  tokens: ['infer:look', 'admin:change'],
  browser: {
    arrive: async (there) => {
      there.forgiven = /401|403/;
      await there.page.locator('#token-box').waitFor();
      await there.page.getByRole('button', { name: 'Cancel' }).click();
      await there.has('#trouble', 'token');
      await there.sample(3);
      await giveToken(there.page, 'look');
    },
  },
}, async (there) => {
  await there.says('3');
  await there.page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
  await there.has('#token-text', 'admin token');
  await giveToken(there.page, 'change');
  await there.has('#state-text', 'mnist-mlp-3bit');
});

visit('a token is asked for, and kept in this tab only', { tokens: ['admin:open sesame'] }, async (there, daemon) => {
  const { page } = there;
  there.forgiven = /401/;
  const give = (token) => giveToken(page, token);
  await page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
  await page.locator('#token-box').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await there.has('#refused', 'token');
  await page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
  await give('wrong');
  await there.has('#token-text', 'not one of');
  assert.equal((await daemon.json('/models')).active, 'mnist-mlp-5bit');
  await give('open sesame');
  await there.has('#state-text', 'mnist-mlp-3bit');
  await page.reload();
  await page.getByRole('button', { name: /^Roll back to/ }).click();
  await there.has('#state-text', 'mnist-mlp-5bit');
  const kept = await page.evaluate(() => [localStorage.length, document.cookie, Object.values(sessionStorage)]);
  assert.deepEqual(kept, [0, '', ['open sesame']]);
});

// ---- The daemon goes, and comes back -----------------------------------------------------------

visit('the daemon is gone, and back', {}, async (there, daemon) => {
  there.forgiven = /ERR_(CONNECTION_REFUSED|EMPTY_RESPONSE|CONNECTION_RESET|FAILED)|503/;
  await there.sample(5);
  await there.says('5');
  await daemon.stop();
  await there.has('#state-text', 'connection lost');
  await there.sample(8);
  await there.has('#trouble', 'does not answer');
  await daemon.start();
  await there.says('8');
  await there.has('#state-text', 'mnist-mlp-5bit');
  assert.equal(await there.text('#trouble'), '');
});

// ---- For everybody -----------------------------------------------------------------------------

visit('everything but drawing is done by keyboard', {}, async (there, daemon) => {
  const { page } = there;
  const reach = async (name) => {
    for (let i = 0; i < 120; i++) {
      await page.keyboard.press('Tab');
      const now = await page.evaluate(() => {
        const e = document.activeElement;
        const shown = e.type === 'file' ? e.parentElement : e;
        return { name: e.getAttribute('aria-label') ?? e.textContent ?? '', outline: getComputedStyle(shown).outlineStyle };
      });
      if (now.name.trim() === name) {
        assert.notEqual(now.outline, 'none', `${name} has no visible focus`);
        return;
      }
    }
    assert.fail(`${name} cannot be reached`);
  };
  await reach('Sample 4');
  await page.keyboard.press('Enter');
  await there.says('4');
  await there.has('#spoken', '4. 4 of 4 agree');
  await reach('Activate mnist-mlp-3bit');
  await page.keyboard.press('Space');
  await there.has('#state-text', 'mnist-mlp-3bit');
  assert.equal((await daemon.json('/models')).active, 'mnist-mlp-3bit');
});

// Text whose contrast with what is behind it is below WCAG's AA: 4.5, or 3 for large text.
const faintTexts = () => {
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const c = parse(getComputedStyle(at).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const faint = [];
  let seen = 0;
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(e);
    if (!own || !e.checkVisibility() || style.clipPath !== 'none' || e.closest(':disabled')) continue;
    const fore = parse(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [a, b] = [luminance(fore), luminance(behind(e))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen++;
    if (contrast < (large ? 3 : 4.5)) faint.push(`${e.tagName} "${e.textContent.slice(0, 30)}" ${contrast.toFixed(2)}`);
  }
  return { seen, faint };
};

for (const colorScheme of ['light', 'dark'])
  visit(`text has contrast enough when it is ${colorScheme}`, { browser: { colorScheme } }, async (there, daemon) => {
    there.forgiven = /422/;
    await there.sample(3);
    await there.says('3');
    await there.page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
    await there.has('#done', 'is active');
    writeFileSync(join(daemon.models, 'bad.tnm'), 'no model at all');
    await there.page.locator('.reason').waitFor();
    await there.page.locator('#upload').setInputFiles({ name: 'x.tnm', mimeType: '', buffer: Buffer.from('none') });
    await until(() => there.text('#refused'), 'refused');
    const { seen, faint } = await there.page.evaluate(faintTexts);
    assert.ok(seen > 60, `${seen} texts`);
    assert.deepEqual(faint, []);
    await there.page.evaluate(() => document.getElementById('token-box').showModal());
    assert.deepEqual((await there.page.evaluate(faintTexts)).faint, []);
  });

for (const width of [320, 360, 768, 1920])
  visit(`nothing sticks out at ${width} pixels`, { models: [...DIGITS, 'fashion-mlp-packed'], browser: { ...PHONE, viewport: { width, height: 740 } } }, async (there) => {
    await there.sample(8);
    await there.says('8');
    await there.page.locator('#live-title').scrollIntoViewIfNeeded();
    await there.has('#weights-text', 'units of');
    const [wide, out] = await there.page.evaluate(() => [
      document.documentElement.scrollWidth,
      [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('.skip') &&
        getComputedStyle(e).clipPath === 'none' && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map((e) => `${e.tagName}.${e.className}`)]);
    assert.deepEqual(out, []);
    assert.ok(wide <= width, `${wide} pixels wide`);
  });

visit('nothing jumps', {}, async (there) => {
  const { page } = there;
  await page.evaluate(() => {
    window.jumps = [];
    new PerformanceObserver((list) => list.getEntries().forEach((e) => window.jumps.push(
      [e.value, ...e.sources.map((s) => s.node?.id || s.node?.className || s.node?.nodeName)])))
      .observe({ type: 'layout-shift', buffered: true });
  });
  await drawByMouse(there, await there.padBox(), hand[2]);
  await there.says('2');
  await there.sample(9);
  await there.says('9');
  await page.locator('#clear').click();
  await there.says('–');
  const jumps = await page.evaluate(() => window.jumps);
  assert.ok(jumps.reduce((sum, [value]) => sum + value, 0) < 0.02, JSON.stringify(jumps));
});

visit('who wants no motion gets none', { browser: { reducedMotion: 'reduce' } }, async (there) => {
  const moving = await there.page.evaluate(() => [...document.querySelectorAll('*')]
    .filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0 || getComputedStyle(e).animationName !== 'none').length);
  assert.equal(moving, 0);
});

visit('every control and picture has a name', {}, async (there) => {
  const nameless = await there.page.evaluate(() => [...document.querySelectorAll('button, input, select, canvas, svg[role=img], [role=progressbar]')]
    .filter((e) => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))
    .map((e) => e.outerHTML.slice(0, 80)));
  assert.deepEqual(nameless, []);
  assert.equal(await there.page.locator('h1').count(), 1);
  assert.equal(await there.page.locator('html').getAttribute('lang'), 'en');
});

// ---- Pictures of it all ------------------------------------------------------------------------

const painted = (locator) => locator.evaluate((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return { all: data.length / 4, full: data.filter((v, i) => i % 4 === 3 && v > 0).length };
});

visit('the weights that are left are drawn', {}, async (there, daemon) => {
  const { page } = there;
  await page.locator('#weights-title').scrollIntoViewIfNeeded();
  await page.locator('#weights-model').selectOption('mnist-mlp-5bit');
  const layer = (await daemon.json('/models/mnist-mlp-5bit')).layers[0];
  await there.has('#weights-text', `${layer.nonzeros.toLocaleString('en-US')} of ${layer.weights.toLocaleString('en-US')}`);
  const sparse = await painted(page.locator('#tiles'));
  assert.ok(sparse.full > 1000 && sparse.full < 0.4 * sparse.all, JSON.stringify(sparse));
  await page.locator('#weights-model').selectOption('mnist-mlp-dense');
  await there.has('#weights-text', '100.00');
  const dense = await painted(page.locator('#tiles'));
  assert.ok(dense.full > 0.9 * dense.all, JSON.stringify(dense));
  await page.locator('#weights-layer').selectOption({ index: 1 });
  await there.has('#weights-text', 'fc2: 100 units of 300 inputs');
});

visit('accuracy is drawn against bytes', { models: [...DIGITS, 'fashion-mlp-packed'] }, async (there) => {
  const points = await there.page.locator('#scatter svg .point title').allTextContents();
  assert.equal(points.filter((text) => text.includes('mnist-')).length, DIGITS.length);
  assert.ok(points.includes('mnist-lenet5-packed-1k5: 98.97\u202f% in 1,491\u202fB'), points.join('; '));
  const of = (name) => there.page.locator('#scatter svg path', { has: there.page.locator(`title:text-is("${name}")`) });
  assert.equal(await of('none').count(), 0);
  assert.equal(await there.page.locator('#scatter .point.active').count(), 1);
});

visit('charts follow what is asked', {}, async (there) => {
  for (let i = 0; i < 20; i++) {
    await there.sample(i % 10);
    await pause(200);
  }
  const value = (name) => there.page.locator('.card', { hasText: name }).locator('.now').textContent();
  await until(async () => parseFloat(await value('Requests')) > 0, 'requests a second');
  await until(async () => /\d+(\.\d+)?\u202f(µs|ms) \/ \d/.test(await value('Latency')) || (await there.sample(1), false), 'latency');
  await until(async () => /\d\u202f%/.test(await value('Agreement')) || (await there.sample(2), false), 'agreement');
  const points = await there.page.locator('.card', { hasText: 'Requests' }).locator('.line').first().getAttribute('points');
  assert.ok(points.split(' ').some((p) => Number(p.split(',')[1]) < 99), points);
});

// ---- Nothing foreign ---------------------------------------------------------------------------

visit('a script that is not the page\'s does not run', {}, async (there) => {
  there.forgiven = /Content Security Policy|violates the following|Refused to/;
  const ran = await there.page.evaluate(async () => {
    const seen = [];
    document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'window.injected = true';
    document.body.append(script);
    const image = document.createElement('div');
    image.innerHTML = '<img src="data:," onerror="window.injected = true"><p style="color:red">styled</p>';
    document.body.append(image);
    setTimeout('window.injected = true', 0);
    const reached = await fetch('http://127.0.0.1:1/').then(() => true, () => false);
    await new Promise((resolve) => setTimeout(resolve, 200));
    return { injected: window.injected, reached, seen, colour: getComputedStyle(image.querySelector('p')).color };
  });
  there.faults = there.faults.filter((f) => !f.startsWith('request to http://127.0.0.1:1/'));
  assert.equal(ran.injected, undefined);
  assert.equal(ran.reached, false);
  assert.notEqual(ran.colour, 'rgb(255, 0, 0)');
  for (const what of ['script-src-elem', 'script-src-attr', 'style-src-attr', 'connect-src'])
    assert.ok(ran.seen.includes(what), `${what} of ${ran.seen}`);
});

const HOSTILE = '<img src=x onerror="window.injected=1">';

visit('names and labels are text, whatever they are', {
  browser: {
    before: async (page) => {
      await page.route('**/models', async (route) => {
        const reply = await (await route.fetch()).json();
        reply.models.push({ ...reply.models[0], name: HOSTILE, state: 'ready', active: false, reason: HOSTILE, digest: 'f'.repeat(64) });
        await route.fulfill({ json: reply });
      });
      await page.route('**/models/%3Cimg*', (route) => route.fulfill({ json: { labels: Array(10).fill(HOSTILE) } }));
    },
  },
}, async (there) => {
  await there.page.locator('#shelf tr', { hasText: '<img' }).waitFor();
  await there.page.locator('#tasks button', { hasText: '<img' }).click();
  assert.equal(await there.page.locator('main img').count(), 0);
  assert.equal(await there.page.evaluate(() => window.injected), undefined);
});
