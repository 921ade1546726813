// SPDX-License-Identifier: MIT
// Reading Prometheus' text form: enough of it for charts.

// [{ name, labels: {}, value }]
export function parseMetrics(text) {
  const found = [];
  for (const line of text.split('\n')) {
    const m = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const [, key, value] of (m[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[key] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    found.push({ name: m[1], labels, value: m[3] === '+Inf' ? Infinity : Number(m[3]) });
  }
  return found;
}

// The sum of a family's values over the series that fit.
export function sumOf(metrics, name, fits = () => true) {
  return metrics.reduce((sum, m) => (m.name === name && fits(m.labels) ? sum + m.value : sum), 0);
}

// Cumulated counts by upper bound, over the series that fit: Map(le -> count).
export function bucketsOf(metrics, name, fits = () => true) {
  const buckets = new Map();
  for (const m of metrics)
    if (m.name === `${name}_bucket` && fits(m.labels)) {
      const le = m.labels.le === '+Inf' ? Infinity : Number(m.labels.le);
      buckets.set(le, (buckets.get(le) ?? 0) + m.value);
    }
  return buckets;
}

// The q-quantile of what was counted between two readings, as Prometheus' histogram_quantile does:
// linear within a bucket. Null where nothing was counted.
export function quantileBetween(before, now, q) {
  const bounds = [...now.keys()].sort((a, b) => a - b);
  const counts = bounds.map((le) => now.get(le) - (before.get(le) ?? 0));
  const all = counts[counts.length - 1];
  if (!(all > 0)) return null;
  const i = counts.findIndex((n) => n >= q * all);
  if (bounds[i] === Infinity) return bounds[i - 1] ?? null;
  const low = i > 0 ? bounds[i - 1] : 0;
  const under = i > 0 ? counts[i - 1] : 0;
  return low + ((bounds[i] - low) * (q * all - under)) / (counts[i] - under);
}
