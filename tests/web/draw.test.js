// SPDX-License-Identifier: MIT
// The page in a real browser, against the real daemon: what is drawn or shown is answered.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hand, slowly } from './hand.js';
import { pause, root, until } from './run.js';
import { DIGITS, PHONE, drawByMouse, modelFile, visit } from './visit.js';

// ---- Drawing -----------------------------------------------------------------------------------

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

visit(
  'each level shows its size, its time, its chances and whether it agrees',
  {},
  async (there) => {
    await there.sample(6);
    await there.says('6');
    const rows = await there.page.locator('#levels tr').evaluateAll((all) =>
      all.map((row) => ({
        name: row.querySelector('.model').textContent,
        size: row.querySelector('.size').textContent,
        time: row.querySelector('.time').textContent,
        sure: row.querySelector('.sure').textContent,
        mark: row.querySelector('.mark').textContent,
        heights: [...row.querySelectorAll('.bars i')].map((bar) =>
          Number(bar.style.getPropertyValue('--p')),
        ),
        best: [...row.querySelectorAll('.bars i')].findIndex((bar) => bar.className === 'best'),
      })),
    );
    assert.deepEqual(
      rows.map((r) => r.name),
      [...DIGITS].sort((a, b) => statSync(modelFile(b)).size - statSync(modelFile(a)).size),
    );
    for (const row of rows) {
      assert.equal(Number(row.size.replaceAll(',', '')), statSync(modelFile(row.name)).size);
      assert.match(row.time, /^[\d.]+\u202f(µs|ms)$/);
      assert.match(row.sure, /^[\d.]+\u202f%$/);
      assert.equal(row.heights.length, 10);
      assert.ok(
        Math.abs(row.heights.reduce((a, b) => a + b) - 1) < 0.01,
        `chances of ${row.name} add up to 1`,
      );
      assert.equal(row.best, 6);
      assert.equal(row.mark, row.name === 'mnist-mlp-dense' ? '' : '✓');
    }
  },
);

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

visit(
  'a finger draws on a phone, and the page stays where it is',
  { browser: PHONE },
  async (there) => {
    const box = await there.padBox();
    const client = await there.context.newCDPSession(there.page);
    const scrolled = () => there.page.evaluate(() => scrollY);
    const start = await scrolled();
    for (const stroke of hand[3]) {
      const points = slowly(stroke).map(([x, y]) => ({
        x: box.x + x * box.width,
        y: box.y + y * box.height,
      }));
      await client.send('Input.dispatchTouchEvent', {
        type: 'touchStart',
        touchPoints: [points[0]],
      });
      for (const point of points)
        await client.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [point] });
      await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    }
    await there.says('3');
    assert.equal(await scrolled(), start);
    assert.ok(await there.page.getByText('Camera').isVisible());
  },
);

visit('what the network saw is shown', {}, async (there, daemon) => {
  await there.sample(2);
  await there.says('2');
  const shown = await there.page
    .locator('#saw')
    .evaluate((canvas) =>
      [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0),
    );
  // The same drawing, asked by another way.
  const png = await there.page.locator('#ink').evaluate((canvas) => canvas.toDataURL('image/png'));
  const reply = await daemon.json('/classify?pixels=1', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ image: png }),
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
  let open = 0,
    most = 0,
    put = 0,
    moves = 0;
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
    await there.page.evaluate(
      ([base64, type]) => {
        const file = new File(
          [Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))],
          'seven.jpg',
          { type: 'image/jpeg' },
        );
        const data = new DataTransfer();
        data.items.add(file);
        document.getElementById('ink').dispatchEvent(
          type === 'drop'
            ? new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data })
            : new ClipboardEvent('paste', {
                bubbles: true,
                cancelable: true,
                clipboardData: data,
              }),
        );
      },
      [bytes, how],
    );
    await there.says('7');
    await there.page.locator('#clear').click();
    await there.says('–');
  }
});

visit('a kind of picture that only the browser reads is sent as another', {}, async (there) => {
  const webp = await there.page.evaluate(
    async (base64) => {
      const jpeg = (await fetch(base64).catch(() => null)) ?? null;
      const image = await createImageBitmap(
        jpeg
          ? await jpeg.blob()
          : new Blob([Uint8Array.from(atob(base64.split(',')[1]), (c) => c.charCodeAt(0))]),
      );
      const canvas = Object.assign(document.createElement('canvas'), {
        width: image.width,
        height: image.height,
      });
      canvas.getContext('2d').drawImage(image, 0, 0);
      return canvas.toDataURL('image/webp').split(',')[1];
    },
    `data:image/jpeg;base64,${readFileSync(seven).toString('base64')}`,
  );
  there.faults.length = 0; // the policy refuses to fetch data:, as it should
  await there.page.locator('#choose').setInputFiles({
    name: 'seven.webp',
    mimeType: 'image/webp',
    buffer: Buffer.from(webp, 'base64'),
  });
  await there.says('7');
});

visit('what is no picture is refused in words', {}, async (there) => {
  await there.page.locator('#choose').setInputFiles({
    name: 'notes.png',
    mimeType: 'image/png',
    buffer: Buffer.from('not a picture'),
  });
  await there.has('#trouble', 'notes.png is not a picture');
  await there.sample(1);
  await there.says('1');
  assert.equal(await there.text('#trouble'), '');
});
