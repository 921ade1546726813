// SPDX-License-Identifier: MIT
// What the daemon serves, as last heard of it.
import { call, modelPath } from './api.js';

// models: as GET /models has them, the largest first, with labels. Models of one task have the same
// inputs and labels: only they can be compared. task: the key of the one that is shown.
export const store = {
  models: [],
  active: null,
  previous: null,
  generation: 0,
  task: null,
  reference: null,
};

const listeners = [];
export const onStore = (listener) => listeners.push(listener);
export const tellStore = () => listeners.forEach((listener) => listener());

const labels = new Map(); // of a digest

// Labels come with one model at a time, and stay what they are.
async function addLabels(model) {
  if (!labels.has(model.digest))
    labels.set(model.digest, (await call('GET', modelPath(model.name))).labels);
  model.labels = labels.get(model.digest);
  model.task = JSON.stringify([model.inputs, model.labels]);
}

export const taskModels = (task = store.task) => store.models.filter((m) => m.task === task);

// The tasks there are, those of the most models first.
export function allTasks() {
  const number = new Map();
  for (const m of store.models) if (m.task) number.set(m.task, (number.get(m.task) ?? 0) + 1);
  return [...number.keys()].sort((a, b) => number.get(b) - number.get(a));
}

// What is shown must be there; otherwise the active model's task, and its largest model.
function settle() {
  const tasks = allTasks();
  const active = store.models.find((m) => m.active && m.task);
  if (!tasks.includes(store.task)) store.task = active?.task ?? tasks[0] ?? null;
  const models = taskModels();
  if (!models.some((m) => m.name === store.reference)) store.reference = models[0]?.name ?? null;
}

let before = '';

// Asks again; tells who listens if anything is new.
export async function refreshStore(options = {}) {
  const heard = await call('GET', '/models', options);
  const models = heard.models.sort(
    (a, b) => (b.bytes ?? 0) - (a.bytes ?? 0) || (a.name < b.name ? -1 : 1),
  );
  const now = JSON.stringify(heard);
  if (now === before) return;
  await Promise.all(models.filter((m) => m.digest).map(addLabels));
  Object.assign(store, {
    models,
    active: heard.active,
    previous: heard.previous,
    generation: heard.generation,
  });
  before = now;
  settle();
  tellStore();
}

export function chooseTask(task) {
  store.task = task;
  settle();
  tellStore();
}
