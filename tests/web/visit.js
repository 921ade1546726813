// SPDX-License-Identifier: MIT
// A test of the page: a daemon and a browser that visits it.
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { slowly } from './hand.js';
import { Daemon, Visit, closeBrowser, openBrowser, root } from './run.js';

export const DIGITS = [
  'mnist-lenet5-packed-1k5',
  'mnist-mlp-3bit',
  'mnist-mlp-5bit',
  'mnist-mlp-dense',
];
export const PHONE = {
  viewport: { width: 360, height: 740 },
  hasTouch: true,
  isMobile: true,
  deviceScaleFactor: 2,
};
export const modelFile = (name) => join(root, 'models', `${name}.tnm`);

before(openBrowser);
after(closeBrowser);

// Both end with the test, and the page must have behaved. options: models and tokens of the daemon,
// browser as Visit.begin takes them.
export function visit(name, options, run) {
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

export async function drawByMouse({ page }, box, strokes) {
  for (const stroke of strokes) {
    const points = slowly(stroke).map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
    await page.mouse.move(...points[0]);
    await page.mouse.down();
    for (const point of points) await page.mouse.move(...point);
    await page.mouse.up();
  }
}
