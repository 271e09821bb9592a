// Prometheus' text as numbers of each model: requests by status, and how long they took.

const COUNT = ":tensorflow:serving:request_count", LATENCY = ":tensorflow:serving:request_latency_bucket";

// Text -> Map of model -> {ok, errors, buckets: Map of border in microseconds -> requests up to it}.
export function parse(text) {
  const models = new Map();
  for (const line of text.split("\n")) {
    const found = /^([:\w]+)\{(.*)\} (\S+)$/.exec(line);
    if (!found || (found[1] !== COUNT && found[1] !== LATENCY)) continue;
    const labels = Object.fromEntries([...found[2].matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]));
    const value = Number(found[3]);
    const model = models.get(labels.model_name) ?? { ok: 0, errors: 0, buckets: new Map() };
    models.set(labels.model_name, model);
    if (found[1] === COUNT) {
      model[labels.status === "OK" ? "ok" : "errors"] += value;
    } else {
      const border = labels.le === "+Inf" ? Infinity : Number(labels.le);
      model.buckets.set(border, (model.buckets.get(border) ?? 0) + value);
    }
  }
  return models;
}

// The sum of one model, or of all where none is named.
export function total(models, name) {
  const sum = { ok: 0, errors: 0, buckets: new Map() };
  for (const [key, model] of models) {
    if (name && key !== name) continue;
    sum.ok += model.ok;
    sum.errors += model.errors;
    for (const [border, count] of model.buckets) sum.buckets.set(border, (sum.buckets.get(border) ?? 0) + count);
  }
  return sum;
}

export function difference(later, earlier) {
  const buckets = new Map([...later.buckets].map(([border, count]) => [border, count - (earlier.buckets.get(border) ?? 0)]));
  return { ok: later.ok - earlier.ok, errors: later.errors - earlier.errors, buckets };
}

// In milliseconds, straight within a bucket, as Prometheus' histogram_quantile; null of nothing.
export function quantile(buckets, share) {
  const borders = [...buckets].sort(([a], [b]) => a - b);
  const all = borders.at(-1)?.[1] ?? 0;
  if (!all) return null;
  let below = 0, from = 0;
  for (const [border, count] of borders) {
    if (count >= share * all) {
      if (border === Infinity) return from / 1000;
      return (from + (border - from) * ((share * all - below) / (count - below || 1))) / 1000;
    }
    [below, from] = [count, border];
  }
  return null;
}
