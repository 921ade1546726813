// SPDX-License-Identifier: MIT
// Live charts, from /metrics.
import { byId, setText, count, percent, micros } from './dom.js';
import { call } from './api.js';
import { agreement } from './answers.js';
import { timeChart } from './chart.js';
import { parseMetrics, sumOf, bucketsOf, quantileBetween } from './metrics.js';

// Calls that ask for an answer; not those by which this page and others look at the daemon.
const ANSWERING =
  /^\/(classify|compare|ensemble|evaluate|replay|v1\/vision|api\/(image|features))|\/infer$/;
const isWork = (labels) => ANSWERING.test(labels.route ?? '');

const charts = {
  requests: timeChart({
    title: 'Requests a second',
    names: ['all'],
    format: (v) => (v < 10 ? v.toFixed(1) : count(v)),
    least: 5,
  }),
  latency: timeChart({
    title: 'Latency',
    names: ['half below', '99 % below'],
    format: (s) => micros(1e6 * s),
    least: 0.001,
  }),
  agreement: timeChart({
    title: 'Agreement with the reference',
    names: ['all levels'],
    format: (v) => percent(v, 1),
    most: 1,
  }),
};

let before = null;

function read(metrics, time) {
  return {
    time,
    requests: sumOf(metrics, 'tnm_requests_total', isWork),
    durations: bucketsOf(metrics, 'tnm_request_duration_seconds', isWork),
    agreed: sumOf(metrics, 'tnm_shadow_total', (l) => l.agree === 'true'),
    compared: sumOf(metrics, 'tnm_shadow_total'),
  };
}

// Shadow traffic of the daemon, and what was asked on this page.
function agreementSince(last, now) {
  const asked = now.compared - last.compared + agreement.asked;
  const agreed = now.agreed - last.agreed + agreement.agreed;
  agreement.asked = agreement.agreed = 0;
  return asked > 0 ? agreed / asked : null;
}

function push(now) {
  const last = before;
  before = now;
  if (!last || now.requests < last.requests) return; // the first look, or the daemon began anew
  charts.requests.push((now.requests - last.requests) / ((now.time - last.time) / 1000));
  charts.latency.push(...[0.5, 0.99].map((q) => quantileBetween(last.durations, now.durations, q)));
  charts.agreement.push(agreementSince(last, now));
}

// One look. What cannot be had leaves a gap.
export async function refreshLive() {
  try {
    push(read(parseMetrics(await call('GET', '/metrics', { text: true })), performance.now()));
    setText(
      byId('live-text'),
      "Everybody's questions in the last two minutes, looked at every two seconds.",
    );
  } catch (e) {
    before = null;
    setText(byId('live-text'), `No metrics: ${e.message}`);
  }
}

export function startLive() {
  byId('charts').append(...Object.values(charts).map((chart) => chart.root));
}
