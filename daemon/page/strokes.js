// SPDX-License-Identifier: MIT
// Strokes as data, drawing them, and the ten digits as somebody might write them.
//
// A stroke is a list of points [x, y] in a unit square. Pictures of strokes look the same at any
// size.

export const PEN = 0.085; // width of a line

// Through the middles of the points, bent at the points.
export function drawStrokes(canvas, strokes, ink, paper) {
  const size = canvas.width;
  const c = canvas.getContext('2d');
  c.fillStyle = paper;
  c.fillRect(0, 0, size, size);
  c.strokeStyle = c.fillStyle = ink;
  c.lineWidth = PEN * size;
  c.lineCap = c.lineJoin = 'round';
  for (const stroke of strokes) {
    c.beginPath();
    if (stroke.length < 2) {
      c.arc(stroke[0][0] * size, stroke[0][1] * size, (PEN * size) / 2, 0, 2 * Math.PI);
      c.fill();
      continue;
    }
    tracePath(c, stroke, size);
    c.stroke();
  }
}

function tracePath(c, stroke, size) {
  const at = (i) => stroke[i].map((v) => v * size);
  c.moveTo(...at(0));
  for (let i = 1; i < stroke.length - 1; i++) {
    const [x, y] = at(i);
    const [nextX, nextY] = at(i + 1);
    c.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  c.lineTo(...at(stroke.length - 1));
}

// The same as the path of an SVG of 100 by 100.
export function strokePath(stroke) {
  const p = stroke.map(([x, y]) => [100 * x, 100 * y]);
  let d = `M${p[0]}`;
  for (let i = 1; i < p.length - 1; i++)
    d += `Q${p[i]} ${(p[i][0] + p[i + 1][0]) / 2},${(p[i][1] + p[i + 1][1]) / 2}`;
  return `${d}L${p[p.length - 1]}`;
}

// In hundredths: "x y x y / x y ...", a slash between strokes.
const DIGITS = [
  '54 17 42 18 32 32 30 52 35 74 48 84 62 76 70 56 68 34 60 20 50 17',
  '56 16 52 38 49 60 46 85',
  '31 34 34 21 50 15 65 22 67 36 57 52 42 68 29 82 44 79 58 81 74 80',
  '32 22 48 15 64 20 66 34 56 45 43 48 59 50 68 62 64 77 48 85 30 79',
  '38 16 33 32 28 54 46 53 74 51 / 62 28 60 50 57 86',
  '70 17 54 18 39 19 36 43 50 40 65 47 68 64 58 81 42 84 29 78',
  '60 14 45 29 35 50 33 70 44 84 60 82 67 68 58 56 45 58 35 69',
  '28 21 48 20 71 19 62 40 52 62 46 86',
  '64 26 52 15 38 21 37 35 50 47 64 61 63 78 49 86 36 78 37 62 50 48 63 36 64 26',
  '65 30 54 17 39 21 34 36 43 49 57 46 65 30 63 56 57 86',
];

export const samples = DIGITS.map((text) =>
  text.split('/').map((stroke) => {
    const n = stroke.trim().split(' ').map(Number);
    return n.filter((_, i) => i % 2 === 0).map((x, i) => [x / 100, n[2 * i + 1] / 100]);
  }),
);
