// SPDX-License-Identifier: MIT
// The page in a real browser, against the real daemon: for whoever comes, on whatever they come
// with; and nothing foreign.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hand } from './hand.js';
import { until } from './run.js';
import { DIGITS, PHONE, drawByMouse, visit } from './visit.js';

// ---- For everybody -----------------------------------------------------------------------------

visit('everything but drawing is done by keyboard', {}, async (there, daemon) => {
  const { page } = there;
  const reach = async (name) => {
    for (let i = 0; i < 120; i++) {
      await page.keyboard.press('Tab');
      const now = await page.evaluate(() => {
        const e = document.activeElement;
        const shown = e.type === 'file' ? e.parentElement : e;
        return {
          name: e.getAttribute('aria-label') ?? e.textContent ?? '',
          outline: getComputedStyle(shown).outlineStyle,
        };
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
    const [x, y, z] = [r, g, b].map((v) =>
      v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
    );
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
    if (!own || !e.checkVisibility() || style.clipPath !== 'none' || e.closest(':disabled'))
      continue;
    const fore = parse(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [a, b] = [luminance(fore), luminance(behind(e))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen++;
    if (contrast < (large ? 3 : 4.5))
      faint.push(`${e.tagName} "${e.textContent.slice(0, 30)}" ${contrast.toFixed(2)}`);
  }
  return { seen, faint };
};

for (const colorScheme of ['light', 'dark'])
  visit(
    `text has contrast enough when it is ${colorScheme}`,
    { browser: { colorScheme } },
    async (there, daemon) => {
      there.forgiven = /422/;
      await there.sample(3);
      await there.says('3');
      await there.page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
      await there.has('#done', 'is active');
      writeFileSync(join(daemon.models, 'bad.tnm'), 'no model at all');
      await there.page.locator('.reason').waitFor();
      await there.page
        .locator('#upload')
        .setInputFiles({ name: 'x.tnm', mimeType: '', buffer: Buffer.from('none') });
      await until(() => there.text('#refused'), 'refused');
      const { seen, faint } = await there.page.evaluate(faintTexts);
      assert.ok(seen > 60, `${seen} texts`);
      assert.deepEqual(faint, []);
      await there.page.evaluate(() => document.getElementById('token-box').showModal());
      assert.deepEqual((await there.page.evaluate(faintTexts)).faint, []);
    },
  );

for (const width of [320, 360, 768, 1920])
  visit(
    `nothing sticks out at ${width} pixels`,
    {
      models: [...DIGITS, 'fashion-mlp-packed'],
      browser: { ...PHONE, viewport: { width, height: 740 } },
    },
    async (there) => {
      await there.sample(8);
      await there.says('8');
      await there.page.locator('#live-title').scrollIntoViewIfNeeded();
      await there.has('#weights-text', 'units of');
      const [wide, out] = await there.page.evaluate(() => [
        document.documentElement.scrollWidth,
        [...document.querySelectorAll('body *')]
          .filter(
            (e) =>
              e.checkVisibility() &&
              !e.closest('.skip') &&
              getComputedStyle(e).clipPath === 'none' &&
              e.getBoundingClientRect().right > document.documentElement.clientWidth + 1,
          )
          .map((e) => `${e.tagName}.${e.className}`),
      ]);
      assert.deepEqual(out, []);
      const gaps = await there.page
        .locator('main > *')
        .evaluateAll((all) =>
          all
            .slice(1)
            .map((e, i) => e.getBoundingClientRect().top - all[i].getBoundingClientRect().bottom),
        );
      assert.ok(gaps.length === 4 && gaps.every((gap) => gap > 40), `gaps of ${gaps}`);
      assert.ok(wide <= width, `${wide} pixels wide`);
    },
  );

visit('nothing jumps', {}, async (there) => {
  const { page } = there;
  await page.evaluate(() => {
    window.jumps = [];
    new PerformanceObserver((list) =>
      list
        .getEntries()
        .forEach((e) =>
          window.jumps.push([
            e.value,
            ...e.sources.map((s) => s.node?.id || s.node?.className || s.node?.nodeName),
          ]),
        ),
    ).observe({ type: 'layout-shift', buffered: true });
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
  const moving = await there.page.evaluate(
    () =>
      [...document.querySelectorAll('*')].filter(
        (e) =>
          parseFloat(getComputedStyle(e).transitionDuration) > 0 ||
          getComputedStyle(e).animationName !== 'none',
      ).length,
  );
  assert.equal(moving, 0);
});

visit('every control and picture has a name', {}, async (there) => {
  const nameless = await there.page.evaluate(() =>
    [
      ...document.querySelectorAll(
        'button, input, select, canvas, svg[role=img], [role=progressbar]',
      ),
    ]
      .filter(
        (e) =>
          !(
            e.getAttribute('aria-label') ||
            e.getAttribute('aria-labelledby') ||
            e.textContent.trim() ||
            e.labels?.[0]?.textContent.trim()
          ),
      )
      .map((e) => e.outerHTML.slice(0, 80)),
  );
  assert.deepEqual(nameless, []);
  assert.equal(await there.page.locator('h1').count(), 1);
  assert.equal(await there.page.locator('html').getAttribute('lang'), 'en');
});

// ---- Nothing foreign ---------------------------------------------------------------------------

visit("a script that is not the page's does not run", {}, async (there) => {
  there.forgiven = /Content Security Policy|violates the following|Refused to/;
  const ran = await there.page.evaluate(async () => {
    const seen = [];
    document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'window.injected = true';
    document.body.append(script);
    const image = document.createElement('div');
    image.innerHTML =
      '<img src="data:," onerror="window.injected = true"><p style="color:red">styled</p>';
    document.body.append(image);
    setTimeout('window.injected = true', 0);
    const reached = await fetch('http://127.0.0.1:1/').then(
      () => true,
      () => false,
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    return {
      injected: window.injected,
      reached,
      seen,
      colour: getComputedStyle(image.querySelector('p')).color,
    };
  });
  there.faults = there.faults.filter((f) => !f.startsWith('request to http://127.0.0.1:1/'));
  assert.equal(ran.injected, undefined);
  assert.equal(ran.reached, false);
  assert.notEqual(ran.colour, 'rgb(255, 0, 0)');
  for (const what of ['script-src-elem', 'script-src-attr', 'style-src-attr', 'connect-src'])
    assert.ok(ran.seen.includes(what), `${what} of ${ran.seen}`);
});

const HOSTILE = '<img src=x onerror="window.injected=1">';

visit(
  'names and labels are text, whatever they are',
  {
    browser: {
      before: async (page) => {
        await page.route('**/models', async (route) => {
          const reply = await (await route.fetch()).json();
          reply.models.push({
            ...reply.models[0],
            name: HOSTILE,
            state: 'ready',
            active: false,
            reason: HOSTILE,
            digest: 'f'.repeat(64),
          });
          await route.fulfill({ json: reply });
        });
        await page.route('**/models/%3Cimg*', (route) =>
          route.fulfill({ json: { labels: Array(10).fill(HOSTILE) } }),
        );
      },
    },
  },
  async (there) => {
    there.forgiven = /404/; // it is asked, and there is none
    await there.page.locator('#shelf tr', { hasText: '<img' }).waitFor();
    await there.page.locator('#tasks button', { hasText: '<img' }).click();
    assert.equal(await there.page.locator('main img').count(), 0);
    assert.equal(await there.page.evaluate(() => window.injected), undefined);
  },
);
