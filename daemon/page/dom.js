// SPDX-License-Identifier: MIT
// Elements, and numbers as text.

export const byId = (id) => document.getElementById(id);

// An element with properties (class, text, attributes; listeners as onclick) and children.
export function element(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'class') e.className = value;
    else if (key === 'text') e.textContent = value;
    else if (key.startsWith('on')) e.addEventListener(key.slice(2), value);
    else if (value === true) e.setAttribute(key, '');
    else if (value !== false && value != null) e.setAttribute(key, value);
  }
  e.append(...children);
  return e;
}

const SVG = 'http://www.w3.org/2000/svg';

export function drawing(tag, attributes = {}, ...children) {
  const e = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// Only what differs is written, so that nothing is laid out or read aloud anew.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

const NARROW = '\u202f';

export const count = (n) => Math.round(n).toLocaleString('en-US');

// A share with as many digits as it deserves: 99.36 %, 0.21 %, 6.1 %.
export function percent(share, decimals = 2) {
  return share == null ? '–' : `${(100 * share).toFixed(decimals)}${NARROW}%`;
}

// How sure a model is. 100 % only where it rounds to that at two decimals.
export function sure(probability) {
  const p = 100 * probability;
  return `${p >= 99.995 ? '100' : p >= 99 ? p.toFixed(2) : p.toFixed(1)}${NARROW}%`;
}

export function micros(us) {
  if (us == null) return '–';
  if (us < 1000) return `${us < 100 ? us.toFixed(1) : us.toFixed(0)}${NARROW}µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 1e4 ? 2 : 1)}${NARROW}ms`;
  return `${(us / 1e6).toFixed(1)}${NARROW}s`;
}

export function bytes(n) {
  if (n < 10000) return `${count(n)}${NARROW}B`;
  if (n < 1e6) return `${(n / 1000).toFixed(n < 1e5 ? 1 : 0)}${NARROW}kB`;
  return `${(n / 1e6).toFixed(2)}${NARROW}MB`;
}

export const ratio = (r) => `${r < 100 ? r.toFixed(1) : count(r)}×`;
