// SPDX-License-Identifier: MIT
// The shelf: activate, roll back, upload, delete.
import { byId, element, setText, count, percent, ratio, bytes, micros } from './dom.js';
import { call, modelPath } from './api.js';
import { store, onStore, refreshStore, taskModels } from './store.js';
import { drawScatter } from './chart.js';

function tell(done, refused = '') {
  setText(byId('done'), done);
  setText(byId('refused'), refused);
}

// Does it, says how it went, and looks again.
async function act(doing, what) {
  tell(doing);
  try {
    tell(await what());
  } catch (e) {
    tell('', e.message);
  }
  await refreshStore().catch(() => {});
}

// ---- What one can do ---------------------------------------------------------------------------

// A swap happens only if nobody else swapped since this page looked.
const ifSame = () => (store.generation ? { 'If-Match': `"${store.generation}"` } : {});

const activate = (model) =>
  act(`Activating ${model.name}…`, async () => {
    const did = await call('POST', `${modelPath(model.name)}/activate`, {
      headers: ifSame(),
      asks: true,
    });
    const took = `checked in ${micros(did.verify_us)}, swapped in ${micros(did.swap_us)}`;
    return `${did.model} is active, generation ${did.generation}: ${took}.`;
  });

const rollBack = () =>
  act('Rolling back…', async () => {
    const did = await call('POST', '/rollback', { headers: ifSame(), asks: true });
    return `Back to ${did.model}, generation ${did.generation}: swapped in ${micros(did.swap_us)}.`;
  });

async function remove(model) {
  const box = byId('sure-box');
  setText(byId('sure-title'), `Delete ${model.name}?`);
  box.returnValue = '';
  box.showModal();
  await new Promise((resolve) => box.addEventListener('close', resolve, { once: true }));
  if (box.returnValue !== 'ok') return;
  await act(`Deleting ${model.name}…`, async () => {
    await call('DELETE', modelPath(model.name), { asks: true, text: true });
    return `${model.name} is gone.`;
  });
}

function showProgress(share) {
  const box = byId('progress');
  box.hidden = share === null;
  box.firstElementChild.style.setProperty('--p', share ?? 0);
  box.setAttribute('aria-valuenow', Math.round(100 * (share ?? 0)));
}

// What was uploaded may be deleted again; the folder of models is its owner's affair. Where both
// are one folder, what this page has put there tells.
const uploaded = new Set();
const mayDelete = (model) =>
  !model.active && (model.source === 'uploads' || uploaded.has(model.name));

async function upload(file) {
  const name = file.name.replace(/\.tnm$/i, '');
  await act(`Uploading ${name}, ${bytes(file.size)}…`, async () => {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$/.test(name))
      throw new Error(`"${name}" is no model's name: 1 to 63 of A–Z a–z 0–9 . _ -`);
    const headers = { 'Content-Type': 'application/octet-stream' };
    const did = await call('PUT', modelPath(name), {
      body: file,
      headers,
      progress: showProgress,
      asks: true,
    });
    uploaded.add(did.name);
    return (
      `${did.name} is here and passed every check, ${bytes(did.bytes)}. ` +
      (did.active && !did.pending ? 'It is the active one.' : 'Activate it to put it into service.')
    );
  });
  showProgress(null);
}

// ---- The table ---------------------------------------------------------------------------------

function makeButtons(model) {
  const button = (verb, does) =>
    element('button', {
      type: 'button',
      id: `${verb}-${model.name}`,
      text: verb,
      'aria-label': `${verb} ${model.name}`,
      onclick: () => does(model),
    });
  const buttons = [];
  if (model.active) buttons.push(element('span', { class: 'tag active', text: 'active' }));
  if (model.digest && (!model.active || model.pending)) buttons.push(button('Activate', activate));
  if (mayDelete(model)) buttons.push(button('Delete', remove));
  return buttons;
}

function makeName(model) {
  const cell = element(
    'th',
    { role: 'rowheader', scope: 'row' },
    element('span', { class: 'model', text: model.name }),
  );
  for (const alias of model.alias ?? [])
    cell.append(element('span', { class: 'tag reference', text: alias, title: 'alias' }));
  if (model.reason)
    cell.append(
      element('span', {
        class: 'reason',
        text: `${model.digest ? 'newest file refused' : 'refused'}: ${model.reason}`,
      }),
    );
  if (model.pending)
    cell.append(element('span', { class: 'sub', text: 'a newer file waits to be activated' }));
  return cell;
}

function makeRow(model, key) {
  const cell = (label, text) =>
    element('td', { role: 'cell', class: 'number', 'data-label': label, text });
  const known = model.digest !== undefined; // else nothing serves under this name
  const answers = cell('answers', '');
  const row = element(
    'tr',
    { role: 'row', class: model.active ? 'is-active' : '' },
    makeName(model),
    cell('accuracy', known ? percent(model.accuracy.test) : ''),
    cell('bytes', known ? count(model.bytes) : ''),
    cell('smaller', known ? ratio(model.ratio) : ''),
    cell('left', known ? percent(1 - model.sparsity, 1) : ''),
    cell('bits', known && model.bits ? model.bits : ''),
    answers,
    element('td', { role: 'cell', class: 'actions' }, ...makeButtons(model)),
  );
  return { key, row, answers };
}

let shownRows = new Map(); // by name

// A row stays the same element as long as it says the same: nobody's button goes under their hand.
function showShelf() {
  const now = new Map(
    store.models.map((model) => {
      const key = JSON.stringify({ ...model, requests: 0 });
      const old = shownRows.get(model.name);
      const row = old?.key === key ? old : makeRow(model, key);
      setText(row.answers, count(model.requests));
      return [model.name, row];
    }),
  );
  const rows = [...now.values()].map((r) => r.row);
  const body = byId('shelf');
  const focused = document.activeElement?.id;
  if (rows.length !== body.children.length || rows.some((row, i) => row !== body.children[i]))
    body.replaceChildren(...rows);
  if (focused && document.activeElement?.id !== focused)
    byId(focused)?.focus({ preventScroll: true });
  shownRows = now;
}

function showRollback() {
  const button = byId('rollback');
  button.disabled = !store.previous;
  setText(button, store.previous ? `Roll back to ${store.previous}` : 'Roll back');
}

let plotted = '';

// Anew only if it would be another, so that what one points at stays.
function plot() {
  const figure = byId('scatter');
  const now = JSON.stringify([
    figure.clientWidth,
    store.active,
    taskModels().map((m) => [m.name, m.digest]),
  ]);
  if (now !== plotted) drawScatter(figure, taskModels(), store.active);
  plotted = now;
}

function show() {
  showShelf();
  showRollback();
  plot();
}

export function startModels() {
  onStore(show);
  byId('rollback').addEventListener('click', rollBack);
  byId('upload').addEventListener('change', (e) => {
    const [file] = e.target.files;
    if (file) upload(file);
    e.target.value = '';
  });
  new ResizeObserver(plot).observe(byId('scatter'));
}
