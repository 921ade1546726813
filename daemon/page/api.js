// SPDX-License-Identifier: MIT
// Asking the daemon: one place for tokens, errors, and whether it is there at all.

const KEY = 'tnmd-token'; // of sessionStorage: gone when the tab is closed

export class ApiError extends Error {
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
  }

  // Whether another token might do.
  get wantsToken() {
    return this.status === 401 || this.code === 'insufficient_scope';
  }

  // Whether the same request may well succeed in a moment.
  get passes() {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

// What the page puts here: askToken(text) resolves to a token or null; reached(bool) is told
// whether the daemon answered.
export const hooks = { askToken: async () => null, reached: () => {} };

function storedToken() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off
  }
}

function storeToken(token) {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // it is asked for again then
  }
}

let token = storedToken();

// Sends with fetch, or, where progress is to be told, with what can tell it.
function send(method, path, options) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  return options.progress
    ? sendTelling(method, path, headers, options)
    : fetch(path, { method, headers, body: options.body, cache: 'no-store', credentials: 'omit' });
}

function sendTelling(method, path, headers, options) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (e) => e.lengthComputable && options.progress(e.loaded / e.total);
    request.onload = () => resolve(new Response(request.response, { status: request.status }));
    request.onerror = request.onabort = () => reject(new TypeError('no answer'));
    request.responseType = 'blob';
    request.send(options.body);
  });
}

async function errorOf(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // not ours: a proxy's
  }
  return new ApiError(
    response.status,
    said.code ?? 'unknown',
    said.error ?? `status ${response.status}`,
  );
}

async function sendOnce(method, path, options) {
  try {
    const response = await send(method, path, options);
    hooks.reached(true);
    return response;
  } catch {
    hooks.reached(false);
    throw new ApiError(0, 'unreachable', 'The daemon does not answer.');
  }
}

// The reply as JSON, or as text where options.text. options: body, headers, progress(share),
// asks (whether to ask for a token where one is needed). Throws ApiError.
export async function call(method, path, options = {}) {
  for (;;) {
    const response = await sendOnce(method, path, options);
    if (response.ok) return options.text ? response.text() : response.json();
    const error = await errorOf(response);
    const given = error.wantsToken && options.asks ? await hooks.askToken(error.message) : null;
    if (!given) throw error;
    token = given;
    storeToken(given);
  }
}

export const modelPath = (name) => `/models/${encodeURIComponent(name)}`;
