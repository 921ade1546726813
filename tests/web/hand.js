// SPDX-License-Identifier: MIT
// Digits in another hand than that of the page's samples: strokes of points, in hundredths of the
// pad.

const lines = [
  '57 20 45 16 33 27 27 45 28 63 36 78 50 84 64 75 71 57 70 38 63 24 54 18',
  '42 30 50 22 56 14 / 56 14 55 36 54 58 53 84',
  '29 30 36 18 50 14 63 20 66 33 59 47 48 60 37 72 28 82 / 28 82 42 83 57 82 74 83',
  '31 20 45 15 60 18 66 28 60 39 47 45 / 47 45 61 49 69 60 65 74 52 83 38 83 28 76',
  '40 14 36 28 31 42 28 56 42 56 58 55 74 54 / 60 34 60 50 59 66 58 86',
  '38 18 37 32 35 45 47 41 60 44 68 55 66 70 55 81 41 83 29 77 / 38 18 52 18 68 17',
  '62 16 50 26 40 40 34 56 34 72 44 83 58 82 66 72 64 60 53 54 41 59 35 69',
  '27 20 42 20 58 19 72 19 / 72 19 64 36 56 54 49 70 45 86',
  '60 27 50 17 39 22 38 35 48 45 60 55 65 68 58 81 45 84 35 76 36 62 47 50 59 41 64 31 60 25',
  '66 31 57 18 43 17 34 28 36 42 48 48 60 42 66 31 / 66 31 64 50 60 68 55 87',
];

// Of each digit: strokes of [x, y], 0 to 1.
export const hand = lines.map((digit) =>
  digit.split('/').map((stroke) => {
    const n = stroke
      .trim()
      .split(' ')
      .map((v) => v / 100);
    return n.filter((_, i) => i % 2 === 0).map((x, i) => [x, n[2 * i + 1]]);
  }),
);

// The same with points between, as a hand passes through them.
export const slowly = (stroke) =>
  stroke.flatMap(([x, y], i) => {
    if (i === 0) return [[x, y]];
    const [a, b] = stroke[i - 1];
    return [0.25, 0.5, 0.75, 1].map((t) => [a + (x - a) * t, b + (y - b) * t]);
  });
