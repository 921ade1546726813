// SPDX-License-Identifier: MIT
// The place to draw in: strokes, or a picture that somebody gave.
import { byId, element, drawing } from './dom.js';
import { drawStrokes, strokePath, samples, PEN } from './strokes.js';

const SENT = 280; // pixels a side of what is sent of a drawing
const LARGE = 6e6; // bytes of a picture file that are made fewer before it is sent
const LONGEST = 2000; // pixels of its longer side then
const TAKEN = /^image\/(jpeg|png|x-portable-(gray|pix|any)map)$/;

const canvas = byId('ink');
const pad = byId('pad');
let strokes = [];
let picture = null; // { bitmap, body }
let crop = null; // as cropOf has it
let changed = () => {};

// ---- Showing -----------------------------------------------------------------------------------

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function showPicture() {
  const { bitmap } = picture;
  const c = canvas.getContext('2d');
  const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  const [x, y] = [(canvas.width - w) / 2, (canvas.height - h) / 2];
  c.fillStyle = colour('--panel');
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.imageSmoothingEnabled = scale < 4; // tiny pictures are pixels
  c.drawImage(bitmap, x, y, w, h);
  if (!crop) return;
  c.lineWidth = canvas.width / 140;
  c.strokeStyle = colour('--accent');
  c.strokeRect(x + crop[0] * w, y + crop[1] * h, crop[2] * w, crop[3] * h);
}

let frame = 0; // the next one, where something is to be shown in it

function redrawSoon() {
  frame ||= requestAnimationFrame(redraw);
}

function redraw() {
  frame = 0;
  const side = Math.round(pad.clientWidth * (window.devicePixelRatio || 1)) || SENT;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  if (picture) showPicture();
  else drawStrokes(canvas, strokes, colour('--ink'), colour('--panel'));
}

function describe() {
  const empty = !picture && strokes.length === 0;
  byId('pad-hint').hidden = !empty;
  byId('undo').disabled = picture !== null || strokes.length === 0;
  byId('clear').disabled = empty;
  canvas.setAttribute(
    'aria-label',
    picture
      ? 'A picture that was given'
      : empty
        ? 'Empty drawing'
        : `Drawing of ${strokes.length} stroke${strokes.length > 1 ? 's' : ''}`,
  );
}

function update() {
  crop = null;
  describe();
  redrawSoon();
  changed();
}

// What the network looked at, in shares of the upright picture. input is what the daemon says.
function cropOf(input) {
  const [w, h] = input.orientation > 4 ? [input.height, input.width] : [input.width, input.height];
  return input.crop.map((v, i) => (v * input.scale) / (i % 2 === 0 ? w : h));
}

export const isWhole = (input) => cropOf(input)[2] * cropOf(input)[3] > 0.98;

// Frames it.
export function frameInput(input) {
  if (!picture || !input.crop) return;
  crop = input.found && !input.as_is && !isWhole(input) ? cropOf(input) : null;
  redrawSoon();
}

// ---- What is sent ------------------------------------------------------------------------------

// A promise of the bytes to ask about, or null for an empty pad.
export function padBody() {
  if (picture) return Promise.resolve(picture.body);
  if (strokes.length === 0) return null;
  const sent = element('canvas', { width: SENT, height: SENT });
  drawStrokes(sent, strokes, '#fff', '#000');
  return new Promise((resolve) => sent.toBlob(resolve, 'image/png'));
}

// ---- Drawing -----------------------------------------------------------------------------------

function pointOf(event) {
  const box = canvas.getBoundingClientRect();
  const within = (v) => Math.min(1, Math.max(0, v));
  return [
    within((event.clientX - box.left) / box.width),
    within((event.clientY - box.top) / box.height),
  ];
}

let drawingPointer = null;

function begin(event) {
  if (drawingPointer !== null || event.button > 0) return;
  event.preventDefault();
  drawingPointer = event.pointerId;
  canvas.setPointerCapture(event.pointerId);
  if (picture) [picture, strokes] = [null, []];
  strokes.push([pointOf(event)]);
  update();
}

// Points closer together than a hundredth add nothing but bytes.
function add(event) {
  if (event.pointerId !== drawingPointer) return;
  const stroke = strokes[strokes.length - 1];
  for (const e of event.getCoalescedEvents?.() ?? [event]) {
    const [x, y] = pointOf(e);
    const [lastX, lastY] = stroke[stroke.length - 1];
    if (Math.hypot(x - lastX, y - lastY) > 0.01) stroke.push([x, y]);
  }
  update();
}

function end(event) {
  if (event.pointerId === drawingPointer) drawingPointer = null;
}

function undo() {
  if (!picture && strokes.pop()) update();
}

function clear() {
  [picture, strokes] = [null, []];
  update();
}

// ---- Pictures ----------------------------------------------------------------------------------

async function shrink(bitmap) {
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const small = element('canvas', {
    width: Math.max(1, Math.round(bitmap.width * scale)),
    height: Math.max(1, Math.round(bitmap.height * scale)),
  });
  small.getContext('2d').drawImage(bitmap, 0, 0, small.width, small.height);
  return new Promise((resolve) => small.toBlob(resolve, 'image/jpeg', 0.92));
}

// Takes a file of any kind the browser can read. What the daemon reads too goes to it as it is.
async function take(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name || 'This'} is not a picture that this browser can read.`);
  }
  const asIs = TAKEN.test(file.type) && file.size <= LARGE;
  picture = { bitmap, body: asIs ? file : await shrink(bitmap) };
  strokes = [];
  update();
}

function takeFrom(list, refused) {
  const file = [...list].find((f) => f.type.startsWith('image/') || f.type === '');
  if (file) take(file).catch((e) => refused(e.message));
}

function listenToFiles(refused) {
  for (const id of ['choose', 'photograph'])
    byId(id).addEventListener('change', (e) => {
      takeFrom(e.target.files, refused);
      e.target.value = ''; // the same file again is a choice too
    });
  document.addEventListener('paste', (e) => takeFrom(e.clipboardData?.files ?? [], refused));
  document.addEventListener('dragover', (e) => {
    e.preventDefault();
    pad.classList.add('over');
  });
  document.addEventListener('dragleave', (e) => e.relatedTarget ?? pad.classList.remove('over'));
  document.addEventListener('drop', (e) => {
    e.preventDefault();
    pad.classList.remove('over');
    takeFrom(e.dataTransfer.files, refused);
  });
}

// ---- Samples -----------------------------------------------------------------------------------

function sampleButton(digit, lines) {
  const svg = drawing(
    'svg',
    { viewBox: '15 5 70 90', 'aria-hidden': 'true' },
    ...lines.map((stroke) => drawing('path', { d: strokePath(stroke), 'stroke-width': 100 * PEN })),
  );
  const show = () => {
    [picture, strokes] = [null, lines.map((stroke) => [...stroke])];
    update();
  };
  return element('button', { type: 'button', 'aria-label': `Sample ${digit}`, onclick: show }, svg);
}

// ---- All of it ---------------------------------------------------------------------------------

// whenChanged() is called after each change, refused(text) for a file that is no picture.
export function startPad(whenChanged, refused) {
  changed = whenChanged;
  canvas.addEventListener('pointerdown', begin);
  canvas.addEventListener('pointermove', add);
  for (const type of ['pointerup', 'pointercancel', 'lostpointercapture'])
    canvas.addEventListener(type, end);
  byId('undo').addEventListener('click', undo);
  byId('clear').addEventListener('click', clear);
  document.addEventListener('keydown', (e) => {
    if ((e.ctrlKey || e.metaKey) && !e.shiftKey && e.key === 'z' && !e.target.matches('input'))
      undo();
  });
  listenToFiles(refused);
  byId('samples').append(...samples.map((lines, digit) => sampleButton(digit, lines)));
  new ResizeObserver(redraw).observe(pad);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  describe();
  redraw();
}
