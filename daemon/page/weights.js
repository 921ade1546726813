// SPDX-License-Identifier: MIT
// The weights that pruning left, as pictures.
import { byId, element, setText, count, percent } from './dom.js';
import { call, modelPath } from './api.js';
import { store, onStore, taskModels } from './store.js';

const WARM = [224, 98, 6];
const COLD = [30, 116, 222];
const TEAL = [0, 150, 136];

const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// ---- Drawing -----------------------------------------------------------------------------------

// A canvas of cells; level(i) is -1..1 for cell i of a part, at(part, x, y) where it goes.
function paint(canvas, width, height, cells) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (const { x, y, level, colour } of cells)
    image.data.set(
      [...colour, Math.round(255 * (0.18 + 0.82 * Math.sqrt(Math.abs(level))))],
      4 * (y * width + x),
    );
  canvas.getContext('2d').putImageData(image, 0, 0);
}

function drawSeen(view) {
  const [width, height] = view.picture;
  const levels = decode(view.seen);
  paint(
    byId('seen'),
    width,
    height,
    [...levels]
      .map((v, i) => ({ v, i }))
      .filter(({ v }) => v > 0)
      .map(({ v, i }) => ({
        x: i % width,
        y: Math.floor(i / width),
        level: v / 255,
        colour: TEAL,
      })),
  );
}

// Units side by side with a gap between; lines, one pixel high, below each other.
function drawTiles(view) {
  const [width, height] = view.picture;
  const values = new Int8Array(decode(view.values).buffer);
  const room = byId('tiles').parentElement.clientWidth > 520 ? 336 : 168;
  const across =
    height === 1 ? 1 : Math.max(1, Math.min(view.units.length, Math.floor(room / width)));
  const gap = height === 1 ? 0 : 1;
  const down = Math.max(1, Math.ceil(view.units.length / across));
  const cells = [];
  values.forEach((v, i) => {
    const unit = Math.floor(i / (width * height));
    const [x, y] = [i % width, Math.floor(i / width) % height];
    if (v !== 0)
      cells.push({
        x: (unit % across) * (width + gap) + x,
        y: Math.floor(unit / across) * (height + gap) + y,
        level: v / 127,
        colour: v > 0 ? WARM : COLD,
      });
  });
  paint(byId('tiles'), across * (width + gap) - gap, down * (height + gap) - gap, cells);
}

function tellWeights(view) {
  const [rows, columns] = view.shape;
  setText(
    byId('weights-text'),
    `${view.name}: ${count(rows)} units of ${count(columns)} inputs each. ` +
      `${count(view.nonzeros)} of ${count(view.weights)} weights are left, ` +
      `${percent(view.nonzeros / view.weights)}.`,
  );
}

// ---- Choosing ----------------------------------------------------------------------------------

let near = false; // somebody may look at it
let drawn = '';

async function show() {
  const model = taskModels().find((m) => m.name === byId('weights-model').value);
  if (!near || !model) return;
  const layer = Math.min(byId('weights-layer').selectedIndex, model.layers.length - 1);
  const key = `${model.digest} ${layer}`;
  if (key === drawn) return;
  drawn = key;
  try {
    const view = await call('GET', `${modelPath(model.name)}/weights?layer=${layer}&units=48`);
    if (key !== drawn) return;
    drawSeen(view);
    drawTiles(view);
    tellWeights(view);
  } catch (e) {
    setText(byId('weights-text'), e.message);
    drawn = '';
  }
}

function fillSelect(select, options, chosen) {
  const now = JSON.stringify(options);
  if (select.dataset.options === now) return;
  select.dataset.options = now;
  select.replaceChildren(
    ...options.map((text) => element('option', { value: text, text, selected: text === chosen })),
  );
}

function fillLayers() {
  const model = taskModels().find((m) => m.name === byId('weights-model').value);
  fillSelect(
    byId('weights-layer'),
    (model?.layers ?? []).map((l) => l.name),
    byId('weights-layer').value,
  );
}

function fillModels() {
  const names = taskModels().map((m) => m.name);
  const before = byId('weights-model').value;
  fillSelect(byId('weights-model'), names, names.includes(before) ? before : store.active);
  fillLayers();
  show();
}

export function startWeights() {
  onStore(fillModels);
  byId('weights-model').addEventListener('change', () => (fillLayers(), show()));
  byId('weights-layer').addEventListener('change', show);
  new IntersectionObserver(
    (entries) => {
      near ||= entries.some((e) => e.isIntersecting);
      show();
    },
    { rootMargin: '400px' },
  ).observe(byId('seen'));
}
