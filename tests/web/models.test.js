// SPDX-License-Identifier: MIT
// The page in a real browser, against the real daemon: models are swapped, uploaded, deleted;
// tokens are asked for; a daemon goes and comes back.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause, until } from './run.js';
import { DIGITS, modelFile, visit } from './visit.js';

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
  await page
    .locator('#upload')
    .setInputFiles({ name: 'mine.tnm', mimeType: '', buffer: readFileSync(file) });
  await there.has('#done', 'mine is here and passed every check');
  await page.locator('#levels tr', { hasText: 'mine' }).waitFor();
  const entry = (await daemon.json('/models')).models.find((m) => m.name === 'mine');
  assert.equal(entry.bytes, statSync(file).size);
  assert.equal(entry.active, false);
  // What is the owner's stays.
  assert.equal(await page.getByRole('button', { name: /^Delete/ }).count(), 1);
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
  await until(
    async () => !(await daemon.json('/models')).models.some((m) => m.name === 'mine'),
    'gone',
  );
  await until(
    async () => (await page.locator('#levels tr').count()) === DIGITS.length,
    'its row is gone',
  );
});

visit('a damaged model is refused, and nothing changes', {}, async (there, daemon) => {
  there.forgiven = /422/;
  const broken = readFileSync(modelFile('mnist-mlp-3bit'));
  broken[broken.length >> 1] ^= 1;
  await there.page
    .locator('#upload')
    .setInputFiles({ name: 'broken.tnm', mimeType: '', buffer: broken });
  await there.has('#refused', 'checksum');
  assert.equal(await there.text('#done'), '');
  assert.ok(!(await daemon.json('/models')).models.some((m) => m.name === 'broken'));
  await there.page
    .locator('#upload')
    .setInputFiles({ name: 'a b.tnm', mimeType: '', buffer: broken });
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
  await until(
    async () => (await there.page.locator('#levels tr').count()) === DIGITS.length,
    'late is gone',
  );
});

visit(
  'networks of other classes are kept apart',
  { models: [...DIGITS, 'fashion-mlp-packed'] },
  async (there) => {
    await there.sample(0);
    await there.says('0');
    assert.equal((await there.labels()).length, DIGITS.length);
    await there.page
      .locator('#tasks')
      .getByRole('button', { name: /T-shirt/ })
      .click();
    await until(
      async () => (await there.labels()).length === 1 && (await there.labels())[0].length > 2,
      'a garment',
    );
    assert.equal(await there.page.locator('#samples').isVisible(), false);
  },
);

// ---- Tokens ------------------------------------------------------------------------------------

async function giveToken(page, token) {
  await page.locator('#token').fill(token);
  await page.locator('#token').press('Enter');
}

visit(
  'who may ask only is asked for another token where that is not enough',
  {
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
  },
  async (there) => {
    await there.says('3');
    await there.page.getByRole('button', { name: 'Activate mnist-mlp-3bit' }).click();
    await there.has('#token-text', 'admin token');
    await giveToken(there.page, 'change');
    await there.has('#state-text', 'mnist-mlp-3bit');
  },
);

visit(
  'a token is asked for, and kept in this tab only',
  { tokens: ['admin:open sesame'] },
  async (there, daemon) => {
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
    const kept = await page.evaluate(() => [
      localStorage.length,
      document.cookie,
      Object.values(sessionStorage),
    ]);
    assert.deepEqual(kept, [0, '', ['open sesame']]);
  },
);

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

// ---- Pictures of it all ------------------------------------------------------------------------

const painted = (locator) =>
  locator.evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return { all: data.length / 4, full: data.filter((v, i) => i % 4 === 3 && v > 0).length };
  });

visit('the weights that are left are drawn', {}, async (there, daemon) => {
  const { page } = there;
  await page.locator('#weights-title').scrollIntoViewIfNeeded();
  await page.locator('#weights-model').selectOption('mnist-mlp-5bit');
  const layer = (await daemon.json('/models/mnist-mlp-5bit')).layers[0];
  await there.has(
    '#weights-text',
    `${layer.nonzeros.toLocaleString('en-US')} of ${layer.weights.toLocaleString('en-US')}`,
  );
  const sparse = await painted(page.locator('#tiles'));
  assert.ok(sparse.full > 1000 && sparse.full < 0.4 * sparse.all, JSON.stringify(sparse));
  await page.locator('#weights-model').selectOption('mnist-mlp-dense');
  await there.has('#weights-text', '100.00');
  const dense = await painted(page.locator('#tiles'));
  assert.ok(dense.full > 0.9 * dense.all, JSON.stringify(dense));
  await page.locator('#weights-layer').selectOption({ index: 1 });
  await there.has('#weights-text', 'fc2: 100 units of 300 inputs');
});

visit(
  'accuracy is drawn against bytes',
  { models: [...DIGITS, 'fashion-mlp-packed'] },
  async (there) => {
    const points = await there.page.locator('#scatter svg .point title').allTextContents();
    assert.equal(points.filter((text) => text.includes('mnist-')).length, DIGITS.length);
    assert.ok(
      points.includes('mnist-lenet5-packed-1k5: 98.97\u202f% in 1,491\u202fB'),
      points.join('; '),
    );
    const of = (name) =>
      there.page.locator('#scatter svg path', {
        has: there.page.locator(`title:text-is("${name}")`),
      });
    assert.equal(await of('none').count(), 0);
    assert.equal(await there.page.locator('#scatter .point.active').count(), 1);
  },
);

visit('charts follow what is asked', {}, async (there) => {
  for (let i = 0; i < 20; i++) {
    await there.sample(i % 10);
    await pause(200);
  }
  const value = (name) =>
    there.page.locator('.card', { hasText: name }).locator('.now').textContent();
  await until(async () => parseFloat(await value('Requests')) > 0, 'requests a second');
  await until(
    async () =>
      /\d+(\.\d+)?\u202f(µs|ms) \/ \d/.test(await value('Latency')) ||
      (await there.sample(1), false),
    'latency',
  );
  await until(
    async () => /\d\u202f%/.test(await value('Agreement')) || (await there.sample(2), false),
    'agreement',
  );
  const points = await there.page
    .locator('.card', { hasText: 'Requests' })
    .locator('.line')
    .first()
    .getAttribute('points');
  assert.ok(
    points.split(' ').some((p) => Number(p.split(',')[1]) < 99),
    points,
  );
});
