// SPDX-License-Identifier: MIT
// The real daemon with a folder of models of its own, and a browser that looks at its page.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const build = resolve(root, process.env.TNM_BUILD ?? 'build');
const PATIENCE_MS = 30000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Tries until look() gives something true, and gives that.
export async function until(look, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const got = await look();
    if (got) return got;
    assert.ok(Date.now() < end, `not within ${PATIENCE_MS} ms: ${what}`);
    await pause(50);
  }
}

// ---- The daemon --------------------------------------------------------------------------------

// names: files of models/ that it serves; tokens: lines of its token file.
export class Daemon {
  constructor(names, { tokens } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'tnm-web-'));
    this.models = join(this.folder, 'models');
    mkdirSync(this.models);
    mkdirSync(join(this.folder, 'state'));
    for (const name of names)
      cpSync(join(root, 'models', `${name}.tnm`), join(this.models, `${name}.tnm`));
    this.arguments = ['--models', this.models, '--state', join(this.folder, 'state')];
    if (tokens) {
      writeFileSync(join(this.folder, 'token'), `${tokens.join('\n')}\n`, { mode: 0o600 });
      this.arguments.push('--token-file', join(this.folder, 'token'));
    }
    this.port = 0;
    this.log = '';
  }

  // The same port again, where it had one.
  async start() {
    const listen = `127.0.0.1:${this.port}`;
    this.process = spawn(join(build, 'tnmd'), [...this.arguments, '--listen', listen], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    this.process.stderr.on('data', (data) => ((said += data), (this.log += data)));
    this.ended = new Promise((resolve) => this.process.on('exit', (code) => resolve(code)));
    const found = await until(
      () =>
        /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ??
        (this.process.exitCode !== null && assert.fail(said)),
      'listening',
    );
    this.port = Number(found[1]);
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    this.process.kill('SIGTERM');
    assert.equal(await this.ended, 0, this.log);
  }

  async remove() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  async json(path, options) {
    return (await fetch(this.url + path, options)).json();
  }
}

// ---- The browser -------------------------------------------------------------------------------

let browser = null;

export async function openBrowser() {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

export const closeBrowser = () => browser.close();

// What the browser says of the reading that these tests do.
const OWN = /willReadFrequently/;

// A page that looks at a daemon, in a context of its own. What it must never do is noted and
// checked by close: errors of scripts, anything on the console but what `forgiven` matches,
// requests to other hosts.
export class Visit {
  static async begin(daemon, options = {}) {
    const visit = new Visit();
    visit.daemon = daemon;
    visit.faults = [];
    visit.forgiven = null;
    visit.asked = visit.open = 0; // questions: all, and those without an answer yet
    visit.context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      ...options,
    });
    visit.page = await visit.context.newPage();
    visit.page.setDefaultTimeout(PATIENCE_MS);
    visit.watch();
    await options.before?.(visit.page);
    await visit.page.goto(daemon.url);
    await options.arrive?.(visit);
    await visit.page.locator('#levels tr').first().waitFor();
    return visit;
  }

  watch() {
    const { page, faults } = this;
    page.on('pageerror', (e) => faults.push(`error: ${e.message}`));
    page.on(
      'console',
      (m) =>
        this.forgiven?.test(m.text()) || OWN.test(m.text()) || faults.push(`console: ${m.text()}`),
    );
    page.on('request', (r) => {
      if (!/^(data|blob):/.test(r.url()) && new URL(r.url()).origin !== this.daemon.url)
        faults.push(`request to ${r.url()}`);
    });
    const isQuestion = (r) => r.url().includes('/compare');
    page.on('request', (r) => isQuestion(r) && (this.asked++, this.open++));
    for (const end of ['requestfinished', 'requestfailed'])
      page.on(end, (r) => isQuestion(r) && this.open--);
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.faults, []);
  }

  text(selector) {
    return this.page.locator(selector).textContent();
  }

  labels() {
    return this.page.locator('#levels .label').allTextContents();
  }

  says(label) {
    return until(
      async () => (await this.text('#verdict-class')) === label && (await this.settled()),
      `says ${label}`,
    );
  }

  // No question is on its way, and none was put for a while.
  async settled() {
    const before = this.asked;
    await pause(250);
    return this.open === 0 && before === this.asked;
  }

  has(selector, part) {
    return until(
      async () => (await this.text(selector)).includes(part),
      `${selector} has "${part}"`,
    );
  }

  sample(digit) {
    return this.page.getByRole('button', { name: `Sample ${digit}`, exact: true }).click();
  }

  async padBox() {
    const canvas = this.page.locator('#ink');
    await canvas.scrollIntoViewIfNeeded();
    return canvas.boundingBox();
  }
}
