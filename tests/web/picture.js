// SPDX-License-Identifier: MIT
// node tests/web/picture.js: draws daemon/page/light.png and dark.png, the README's pictures of the
// page: something between a 4 and a 9, about which the levels differ.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, Visit, closeBrowser, openBrowser, root, until } from './run.js';

const MARK = '42 17 33 30 30 45 45 52 62 44 64 28 56 19 64 30 62 60 56 86'
  .split(' ')
  .map((v) => v / 100);

const models = readdirSync(join(root, 'models'))
  .filter((f) => f.endsWith('.tnm'))
  .map((f) => f.slice(0, -4));
const daemon = await new Daemon(models).start();
await openBrowser();
for (const colorScheme of ['light', 'dark']) {
  const there = await Visit.begin(daemon, { colorScheme, viewport: { width: 1200, height: 720 } });
  const box = await there.padBox();
  for (let i = 0; i < MARK.length; i += 2) {
    await there.page.mouse.move(box.x + MARK[i] * box.width, box.y + MARK[i + 1] * box.height, {
      steps: 4,
    });
    if (i === 0) await there.page.mouse.down();
  }
  await there.page.mouse.up();
  await until(() => there.settled(), 'an answer');
  await there.page.mouse.move(0, 0);
  await there.page.screenshot({ path: join(root, 'daemon', 'page', `${colorScheme}.png`) });
  await there.close();
}
await closeBrowser();
await daemon.remove();
