// SPDX-License-Identifier: MIT
// Charts: lines in time, and accuracy against bytes.
import { element, drawing, setText, bytes, percent } from './dom.js';

// ---- Lines in time -----------------------------------------------------------------------------

const POINTS = 60;

// A card: title, the newest value, and lines of the last POINTS values. format makes a value text;
// least is what the scale reaches to at least. push takes a value per name; null: none.
export function timeChart({ title, names, format, least, most }) {
  const value = element('span', { class: 'now', text: '–' });
  const top = element('span', { class: 'top' });
  const lines = names.map((_, i) => drawing('polyline', { class: `line line-${i}` }));
  const picture = drawing(
    'svg',
    { viewBox: `0 0 ${POINTS - 1} 100`, preserveAspectRatio: 'none', role: 'img' },
    drawing('line', { class: 'base', x1: 0, x2: POINTS - 1, y1: 100, y2: 100 }),
    ...lines,
  );
  const legend =
    names.length > 1
      ? names.map((name, i) =>
          element('span', {}, element('span', { class: `key line-${i}` }), name),
        )
      : [];
  const root = element(
    'figure',
    { class: 'card' },
    element(
      'figcaption',
      {},
      element('span', { class: 'what', text: title }),
      value,
      element('span', { class: 'legend' }, ...legend),
    ),
    element('div', { class: 'graph' }, top, picture),
  );
  const history = names.map(() => Array(POINTS).fill(null));

  function draw() {
    const values = history.flat().filter((v) => v !== null);
    const scale = most ?? Math.max(least, ...values);
    setText(top, format(scale));
    history.forEach((h, i) =>
      lines[i].setAttribute(
        'points',
        h
          .map((v, x) =>
            v === null ? '' : `${x},${(100 - 96 * Math.min(1, v / scale)).toFixed(1)}`,
          )
          .filter(Boolean)
          .join(' '),
      ),
    );
    const newest = history.map((h) => h[POINTS - 1]);
    const text = newest.every((v) => v === null)
      ? '–'
      : newest.map((v) => (v === null ? '–' : format(v))).join(' / ');
    setText(value, text);
    picture.setAttribute(
      'aria-label',
      `${title}, the last two minutes: now ${text}, scale up to ${format(scale)}`,
    );
  }

  draw();
  return {
    root,
    push(...values) {
      values.forEach((v, i) => (history[i].push(v), history[i].shift()));
      draw();
    },
  };
}

// ---- Accuracy against bytes --------------------------------------------------------------------

const FAMILIES = [
  { is: 'lstm', name: 'recurrent', path: 'M0-6L6 5H-6Z' },
  { is: 'conv2d', name: 'convolutional', path: 'M-5-5H5V5H-5Z' },
  {
    is: 'linear',
    name: 'fully connected',
    path: 'M-5.5 0A5.5 5.5 0 1 1 5.5 0A5.5 5.5 0 1 1-5.5 0',
  },
];

const familyOf = (model) =>
  FAMILIES.find((f) => model.layers.some((l) => l.op === f.is)) ?? FAMILIES[2];

// Round steps of the accuracies, at most six.
function stepsBetween(low, high) {
  const step =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (high - low) / s <= 7) ??
    0.5;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from(
    { length: Math.floor(high / step + 1e-9) - first + 1 },
    (_, i) => (first + i) * step,
  );
}

// Where a label of so many pixels goes beside a point, so that nothing is below it; null: nowhere.
function findPlace(point, width, taken, bounds) {
  const offsets = [
    [10, 4, 'start'],
    [-10, 4, 'end'],
    [0, -10, 'middle'],
    [0, 18, 'middle'],
    [8, -8, 'start'],
    [-8, -8, 'end'],
    [8, 15, 'start'],
    [-8, 15, 'end'],
  ];
  for (const [dx, dy, anchor] of offsets) {
    const left = point.x + dx - (anchor === 'start' ? 0 : anchor === 'end' ? width : width / 2);
    const box = { left, right: left + width, top: point.y + dy - 10, bottom: point.y + dy + 3 };
    const hits = (b) =>
      box.left < b.right && box.right > b.left && box.top < b.bottom && box.bottom > b.top;
    if (box.left >= bounds.left && box.right <= bounds.right && !taken.some(hits)) {
      taken.push(box);
      return { x: point.x + dx, y: point.y + dy, 'text-anchor': anchor };
    }
  }
  return null;
}

function scalesOf(models, width, height) {
  const box = { left: 52, right: width - 12, top: 12, bottom: height - 34 };
  const accuracies = models.map((m) => m.accuracy.test);
  const spread = Math.max(0.002, Math.max(...accuracies) - Math.min(...accuracies));
  const low = Math.min(...accuracies) - 0.12 * spread;
  const high = Math.min(1, Math.max(...accuracies) + 0.12 * spread);
  const logs = models.map((m) => Math.log10(m.bytes));
  const first = Math.floor(Math.min(...logs));
  const last = Math.max(first + 1, Math.ceil(Math.max(...logs)));
  const x = (n) => box.left + ((Math.log10(n) - first) / (last - first)) * (box.right - box.left);
  const y = (a) => box.bottom - ((a - low) / (high - low)) * (box.bottom - box.top);
  return {
    box,
    x,
    y,
    rows: stepsBetween(low, high),
    columns: Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)),
  };
}

function drawAxes({ box, x, y, rows, columns }) {
  const decimals =
    rows.length > 1 && rows[1] - rows[0] < 0.0099 ? (rows[1] - rows[0] < 0.00099 ? 2 : 1) : 0;
  return [
    ...rows.flatMap((a) => [
      drawing('line', { class: 'grid', x1: box.left, x2: box.right, y1: y(a), y2: y(a) }),
      drawing(
        'text',
        { class: 'tick', x: box.left - 8, y: y(a) + 4, 'text-anchor': 'end' },
        percent(a, decimals),
      ),
    ]),
    ...columns.flatMap((n, i) => [
      drawing('line', { class: 'grid', x1: x(n), x2: x(n), y1: box.top, y2: box.bottom }),
      drawing(
        'text',
        {
          class: 'tick',
          x: x(n),
          y: box.bottom + 20,
          'text-anchor': i === columns.length - 1 ? 'end' : 'middle',
        },
        n < 1e3 ? `${n} B` : n < 1e6 ? `${n / 1e3} kB` : `${n / 1e6} MB`,
      ),
    ]),
  ];
}

// Fills a figure with the models whose accuracy is known; active is a name.
export function drawScatter(figure, all, active) {
  const models = all.filter((m) => m.accuracy?.test != null);
  const width = figure.clientWidth;
  const height = width < 560 ? 260 : 320;
  if (models.length === 0 || width === 0) {
    figure.replaceChildren(
      element('p', { class: 'soft', text: 'No model says how accurate it is.' }),
    );
    return;
  }
  const scales = scalesOf(models, width, height);
  const points = models.map((m) => ({
    model: m,
    x: scales.x(m.bytes),
    y: scales.y(m.accuracy.test),
  }));
  const taken = points.map((p) => ({
    left: p.x - 7,
    right: p.x + 7,
    top: p.y - 7,
    bottom: p.y + 7,
  }));
  const order = [...points].sort((a, b) => (b.model.name === active) - (a.model.name === active));
  const marks = points.map(({ model, x, y }) =>
    drawing(
      'path',
      {
        class: model.name === active ? 'point active' : 'point',
        d: familyOf(model).path,
        transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
      },
      drawing(
        'title',
        {},
        `${model.name}: ${percent(model.accuracy.test)} in ${bytes(model.bytes)}`,
      ),
    ),
  );
  const labels = order.flatMap((p) => {
    const place = findPlace(p, 6.4 * p.model.name.length, taken, scales.box);
    return place
      ? [
          drawing(
            'text',
            { class: p.model.name === active ? 'name active' : 'name', ...place },
            p.model.name,
          ),
        ]
      : [];
  });
  const used = FAMILIES.filter((f) => models.some((m) => familyOf(m) === f));
  figure.replaceChildren(
    drawing(
      'svg',
      {
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
        role: 'img',
        'aria-label': `Accuracy against bytes, ${models.length} models; the table above has all`,
      },
      ...drawAxes(scales),
      ...marks,
      ...labels,
    ),
    element(
      'figcaption',
      { class: 'legend' },
      ...used.map((f) =>
        element(
          'span',
          {},
          drawing(
            'svg',
            { width: 14, height: 14, viewBox: '-7 -7 14 14', 'aria-hidden': 'true' },
            drawing('path', { class: 'point', d: f.path }),
          ),
          f.name,
        ),
      ),
    ),
  );
}
