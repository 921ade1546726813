// SPDX-License-Identifier: MIT
// The page: who is told what, and looking every two seconds.
import { byId, setText } from './dom.js';
import { hooks } from './api.js';
import { startPad } from './pad.js';
import { store, onStore, refreshStore } from './store.js';
import { startAnswers, ask, tellTrouble } from './answers.js';
import { startModels } from './models.js';
import { startWeights } from './weights.js';
import { startLive, refreshLive } from './live.js';

const LOOK_MS = 2000;

// ---- The daemon's state ------------------------------------------------------------------------

let there = null; // whether it answered last; null: not asked yet

function showState() {
  const text =
    there === false
      ? 'connection lost, trying again…'
      : store.active
        ? `${store.active} · generation ${store.generation}`
        : there
          ? 'no model is active'
          : 'asking…';
  setText(byId('state-text'), text);
  byId('state').className = `state ${there === false ? 'lost' : store.active ? 'well' : ''}`;
}

hooks.reached = (answered) => {
  const back = answered && there === false;
  there = answered;
  showState();
  if (back) ask();
};

// ---- The token ---------------------------------------------------------------------------------

let asked = null; // the promise of the box that is open

hooks.askToken = (why) => {
  const box = byId('token-box');
  if (asked) return asked;
  setText(byId('token-text'), why);
  byId('token').value = '';
  box.returnValue = '';
  box.showModal();
  asked = new Promise((resolve) =>
    box.addEventListener(
      'close',
      () => {
        asked = null;
        resolve(
          box.returnValue === 'ok' && byId('token').value.trim()
            ? byId('token').value.trim()
            : null,
        );
      },
      { once: true },
    ),
  );
  return asked;
};

// A button that sends nothing: Enter in the field means the other one.
for (const button of document.querySelectorAll('.closes'))
  button.addEventListener('click', () => button.closest('dialog').close());

// ---- Looking -----------------------------------------------------------------------------------

let looking = false;
let first = true;

// The first look asks for a token if one is needed; the later ones do not disturb.
async function look() {
  if (looking || document.hidden) return;
  looking = true;
  try {
    await refreshStore({ asks: first });
    first = false;
  } catch (e) {
    if (e.status !== 0) tellTrouble(e.message);
    first = false;
  }
  byId('main').classList.remove('waiting');
  await refreshLive();
  looking = false;
}

onStore(showState);
startPad(ask, tellTrouble);
startAnswers();
startModels();
startWeights();
startLive();
look();
setInterval(look, LOOK_MS);
document.addEventListener('visibilitychange', look);
