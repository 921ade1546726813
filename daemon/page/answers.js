// SPDX-License-Identifier: MIT
// Every level of compression answers, side by side, as one draws.
import { byId, element, setText, count, percent, sure, micros, bytes } from './dom.js';
import { ApiError, call } from './api.js';
import { padBody, frameInput, isWhole } from './pad.js';
import {
  store,
  onStore,
  tellStore,
  refreshStore,
  taskModels,
  allTasks,
  chooseTask,
} from './store.js';

const GAP_MS = 40; // at least, between two questions
const AGAIN_MS = 1000; // after the daemon was away or busy
const SETTLED_MS = 700; // then the answer is read aloud
const LONGEST_PATH = 1900; // bytes; the daemon takes 2047
const MOST_BARS = 16; // classes beyond have no bar

// Pairs of a level and a picture, since somebody last took them: for the chart of agreement.
export const agreement = { agreed: 0, asked: 0 };

// ---- The rows ----------------------------------------------------------------------------------

let rows = new Map(); // by the model's name

function nameCell(model) {
  const left = percent(1 - model.sparsity, 1);
  const bits = model.bits ? ` · ${model.bits} bit` : '';
  return element(
    'th',
    { role: 'rowheader', scope: 'row' },
    element('span', { class: 'model', text: model.name }),
    element(
      'span',
      { class: 'sub' },
      element('span', { class: 'small-only', text: `${bytes(model.bytes)} · ` }),
      left,
      element('span', { class: 'wide-only', text: ' of weights' }),
      bits,
      element('span', { class: 'tag active', text: 'active' }),
      element('span', { class: 'tag reference', text: 'reference' }),
    ),
  );
}

function makeRow(model) {
  const cell = (name, ...children) => element('td', { role: 'cell', class: name }, ...children);
  const bars = model.labels.slice(0, MOST_BARS).map((label) => element('i', { title: label }));
  const says = element('span', { class: 'label', text: '–' });
  const mark = element('span', { class: 'mark' });
  const sureness = cell('number sure');
  const time = cell('number time');
  const barBox = element('span', { class: 'bars', 'aria-hidden': 'true' }, ...bars);
  const row = element(
    'tr',
    { role: 'row' },
    nameCell(model),
    cell('number size', count(model.bytes)),
    cell('center says', says, mark),
    cell('chances', barBox),
    sureness,
    time,
  );
  return { row, says, mark, bars, sureness, time };
}

// Chances of the classes: all of them where the reply has them, else the winner's.
function chancesOf(result) {
  return new Map((result.top ?? [result]).map((c) => [c.index, c.probability]));
}

function fillRow(cells, result, reference) {
  const chances = chancesOf(result);
  setText(cells.says, result.label);
  setText(cells.sureness, sure(result.probability));
  setText(cells.time, micros(result.infer_us));
  cells.bars.forEach((bar, i) => {
    bar.style.setProperty('--p', (chances.get(i) ?? 0).toFixed(3));
    bar.className = i === result.index ? 'best' : '';
  });
  const differs = !result.agree && result.model !== reference;
  cells.row.classList.toggle('differs', differs);
  setText(cells.mark, result.model === reference ? '' : differs ? '≠' : '✓');
  cells.mark.setAttribute(
    'aria-label',
    differs ? 'differs from the reference' : 'agrees with the reference',
  );
  cells.mark.setAttribute('role', 'img');
}

function emptyRow(cells) {
  setText(cells.says, '–');
  for (const e of [cells.mark, cells.sureness, cells.time]) setText(e, '');
  cells.mark.removeAttribute('role');
  cells.mark.removeAttribute('aria-label');
  cells.row.classList.remove('differs');
  for (const bar of cells.bars) {
    bar.style.setProperty('--p', 0);
    bar.className = '';
  }
}

// ---- The picture -------------------------------------------------------------------------------

function showInput(input) {
  frameInput(input);
  if (!input.pixels) return;
  const side = Math.round(Math.sqrt(input.pixels.length));
  const canvas = byId('saw');
  if (side * side !== input.pixels.length) return; // not a grey square
  canvas.width = canvas.height = side;
  const image = new ImageData(side, side);
  input.pixels.forEach((v, i) => image.data.set([v, v, v, 255], 4 * i));
  canvas.getContext('2d').putImageData(image, 0, 0);
  canvas.setAttribute('aria-label', `What the network saw: ${side} by ${side} grey pixels`);
  setText(byId('saw-text'), tellInput(input, side));
}

function tellInput(input, side) {
  if (!input.width) return `${side} × ${side} values, as they were sent.`;
  const from = `${input.kind.toUpperCase()}, ${count(input.width)} × ${count(input.height)}`;
  if (input.as_is) return `${from}: passed on as it is.`;
  if (!input.found) return `${from}: no mark was found in it.`;
  if (isWhole(input))
    return `${from}: all of it, made smaller${input.inverted ? ' and inverted' : ''}.`;
  const upright = input.orientation > 1 ? 'turned upright, ' : '';
  return `${from}: ${upright}the mark cut out${input.inverted ? ', inverted' : ''} and centred.`;
}

function forgetInput() {
  const canvas = byId('saw');
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  canvas.setAttribute('aria-label', 'What the network saw: nothing yet');
  setText(byId('saw-text'), '28 × 28 grey pixels, cut out of the picture.');
}

// ---- The verdict -------------------------------------------------------------------------------

let speaking = null;

function speak(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => setText(byId('spoken'), text), SETTLED_MS);
}

function tellVerdict(reply) {
  const best = reply.results.find((r) => r.model === reply.reference) ?? reply.results[0];
  const n = reply.results.length;
  const agreeing = reply.results.filter((r) => r.agree || r.model === best.model).length;
  const all = reply.results.reduce((sum, r) => sum + r.infer_us, 0);
  setText(byId('verdict-class'), best.label);
  byId('verdict-class').classList.toggle('word', best.label.length > 2);
  setText(
    byId('answers-title'),
    n === 1
      ? 'One model answers'
      : agreeing < n
        ? `${agreeing} of ${n} levels agree`
        : n === 2
          ? 'Both levels agree'
          : `All ${n} levels agree`,
  );
  setText(
    byId('verdict-text'),
    `${reply.reference} says ${best.label}. Together they took ${micros(all)}.`,
  );
  speak(`${best.label}. ${agreeing} of ${n} agree with ${reply.reference}.`);
  agreement.agreed += agreeing - 1;
  agreement.asked += n - 1;
}

function forgetVerdict() {
  setText(byId('verdict-class'), '–');
  byId('verdict-class').classList.remove('word');
  setText(byId('answers-title'), 'Every level answers');
  setText(
    byId('verdict-text'),
    'The same picture, decoded once, run by each model that is loaded.',
  );
  speak('');
}

function showReply(reply) {
  tellTrouble('');
  showInput(reply.input ?? {});
  if (reply.input?.found === false) {
    forgetAll();
    setText(byId('verdict-text'), 'No mark was found in the picture.');
    return;
  }
  for (const result of reply.results) {
    const cells = rows.get(result.model);
    if (cells) fillRow(cells, result, reply.reference);
  }
  tellVerdict(reply);
}

function forgetAll() {
  rows.forEach(emptyRow);
  forgetVerdict();
}

export function tellTrouble(text) {
  setText(byId('trouble'), text);
}

// ---- Asking ------------------------------------------------------------------------------------

let wanted = false; // something changed since the last question was put
let asking = false;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function comparePath() {
  const names = taskModels().map((m) => m.name);
  const reference = encodeURIComponent(store.reference);
  let path = `/compare?pixels=1&top=${MOST_BARS}&reference=${reference}&models=${reference}`;
  for (const name of names.map(encodeURIComponent))
    if (name !== reference && path.length + name.length < LONGEST_PATH) path += `,${name}`;
  return path;
}

async function askOnce() {
  const body = padBody();
  if (!body) {
    forgetAll();
    forgetInput();
    tellTrouble('');
    return;
  }
  try {
    if (!store.reference) await refreshStore({ asks: true }); // a token was refused before
    if (!store.reference) throw new ApiError(404, 'no_model', 'No model is loaded.');
    const reply = await call('POST', comparePath(), { body: await body, asks: true });
    if (!wanted || padBody()) showReply(reply); // a late answer does not come back after Clear
  } catch (e) {
    tellTrouble(e.passes ? `${e.message} Trying again…` : e.message);
    if (!e.passes) return forgetAll();
    wanted = true;
    await pause(AGAIN_MS);
  }
}

// One question at a time; what changes meanwhile is asked next, and only the newest of it.
export async function ask() {
  wanted = true;
  if (asking) return;
  asking = true;
  while (wanted) {
    wanted = false;
    await askOnce();
    await pause(GAP_MS);
  }
  asking = false;
}

// ---- Which models ------------------------------------------------------------------------------

// "0–9" for digits, else the first names.
export function taskName(task) {
  const labels = JSON.parse(task)[1];
  if (labels.join('') === '0123456789') return 'Digits';
  return `${labels.slice(0, 2).join(', ')}…`;
}

function showTasks() {
  const tasks = allTasks();
  byId('tasks').hidden = tasks.length < 2;
  byId('tasks').replaceChildren(
    ...tasks.map((task) =>
      element('button', {
        type: 'button',
        'aria-pressed': String(task === store.task),
        text: `${taskName(task)} (${taskModels(task).length})`,
        onclick: () => chooseTask(task),
      }),
    ),
  );
}

function showReferences() {
  byId('reference').replaceChildren(
    ...taskModels().map((m) =>
      element('option', { value: m.name, text: m.name, selected: m.name === store.reference }),
    ),
  );
}

function showColumns(models) {
  const labels = models[0]?.labels ?? [];
  const short = labels.length <= MOST_BARS && labels.every((label) => label.length < 3);
  byId('classes').replaceChildren(
    ...(short
      ? [
          element('span', { class: 'unseen', text: 'Probability of ' }),
          element(
            'span',
            { class: 'bars names' },
            ...labels.map((label) => element('span', { text: label })),
          ),
        ]
      : ['Probability']),
  );
  const other = labels.length > 0 && labels.join('') !== '0123456789';
  byId('samples').classList.toggle('other', other);
  setText(byId('ask-title'), other ? 'Show a picture' : 'Draw a digit');
}

let shown = '';

function showModels() {
  const models = taskModels();
  const now = JSON.stringify(models.map((m) => m.digest + m.name));
  for (const [name, cells] of rows) {
    cells.row.classList.toggle('is-active', name === store.active);
    cells.row.classList.toggle('is-reference', name === store.reference);
  }
  if (now === shown) return;
  shown = now;
  rows = new Map(models.map((m) => [m.name, makeRow(m)]));
  byId('levels').replaceChildren(...[...rows.values()].map((cells) => cells.row));
  showColumns(models);
  showTasks();
  showReferences();
  showModels();
  ask();
}

export function startAnswers() {
  onStore(showModels);
  byId('reference').addEventListener('change', (e) => {
    store.reference = e.target.value;
    tellStore();
    ask();
  });
}
