// SPDX-License-Identifier: MIT
// What the page reads out of /metrics, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketsOf, parseMetrics, quantileBetween, sumOf } from '../../daemon/page/metrics.js';

const TEXT = `# HELP a_total Things.
# TYPE a_total counter
a_total{route="/x",code="200"} 3
a_total{route="/y",code="200"} 4.5e1
a_total{route="say \\"hi\\" \\\\ there\\n",code="x,y}"} 1
plain 7
d_seconds_bucket{route="/x",le="0.1"} 10
d_seconds_bucket{route="/x",le="0.2"} 30
d_seconds_bucket{route="/x",le="+Inf"} 40
d_seconds_bucket{route="/y",le="0.1"} 1
d_seconds_bucket{route="/y",le="0.2"} 1
d_seconds_bucket{route="/y",le="+Inf"} 1
`;

test('values are summed over the series that fit', () => {
  const metrics = parseMetrics(TEXT);
  assert.equal(sumOf(metrics, 'a_total'), 49);
  assert.equal(
    sumOf(metrics, 'a_total', (l) => l.route === '/y'),
    45,
  );
  assert.equal(sumOf(metrics, 'plain'), 7);
  assert.equal(sumOf(metrics, 'none'), 0);
});

test('labels are unescaped', () => {
  const odd = parseMetrics(TEXT).find((m) => m.labels.code === 'x,y}');
  assert.equal(odd.labels.route, 'say "hi" \\ there\n');
});

test('buckets are added by their bound', () => {
  assert.deepEqual(
    [...bucketsOf(parseMetrics(TEXT), 'd_seconds')],
    [
      [0.1, 11],
      [0.2, 31],
      [Infinity, 41],
    ],
  );
});

test('quantiles are those of what was counted between two looks', () => {
  const before = new Map([
    [1, 5],
    [2, 5],
    [4, 5],
    [Infinity, 5],
  ]);
  const now = new Map([
    [1, 5],
    [2, 15],
    [4, 25],
    [Infinity, 25],
  ]);
  assert.equal(quantileBetween(before, now, 0.5), 2);
  assert.equal(quantileBetween(before, now, 0.25), 1.5);
  assert.equal(quantileBetween(before, now, 0.75), 3);
  assert.equal(quantileBetween(now, now, 0.5), null);
});

test('beyond the last bound there is only that bound', () => {
  assert.equal(
    quantileBetween(
      new Map(),
      new Map([
        [1, 0],
        [Infinity, 9],
      ]),
      0.99,
    ),
    1,
  );
});
