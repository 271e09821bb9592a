// How much is asked and how long answers take: the server's own figures, over the last minutes.

import { Chart, Cursor } from "./chart.js";
import { byId } from "./dom.js";
import { difference, parse, quantile, total } from "./figures.js";
import { format } from "./scale.js";

const KEPT = 300; // seconds that are drawn
const WINDOW = 10; // seconds that a point is of: fewer requests make no quantile

const ago = () => ({ label: "seconds ago", to: 0, say: (x) => (x ? `${-x} seconds ago` : "now") });

export class Traffic {
  #samples = []; // [{time, models}], oldest first
  #chosen = byId("traffic-model");

  constructor() {
    const cursor = new Cursor();
    this.rate = new Chart(cursor, { title: "Requests", x: ago(), y: { label: "requests/s", from: 0 }, steers: true });
    this.latency = new Chart(cursor, { title: "Latency", x: ago(), y: { label: "ms", from: 0 }, steers: true });
    byId("traffic-charts").append(this.rate.element, this.latency.element);
    this.#chosen.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  async update(server) {
    const models = parse(await server.text("monitoring/prometheus/metrics"));
    const time = performance.now() / 1000;
    const before = this.#samples.at(-1);
    // Counters that fall are those of a server that was started anew.
    if (before && total(models).ok + total(models).errors < total(before.models).ok + total(before.models).errors) this.#samples = [];
    this.#samples.push({ time, models });
    this.#samples = this.#samples.filter((sample) => sample.time >= time - KEPT - WINDOW);
    this.#offer([...models.keys()].sort());
    this.#draw();
  }

  #offer(names) {
    const known = new Set([...this.#chosen.options].map((option) => option.value));
    for (const name of names) if (!known.has(name)) this.#chosen.append(new Option(name, name));
  }

  #draw() {
    const name = this.#chosen.value;
    const sums = this.#samples.map(({ time, models }) => ({ time, ...total(models, name) }));
    const now = sums.at(-1);
    const points = sums.slice(1).map((sum, i) => {
      const since = sums.slice(0, i + 1).find(({ time }) => time >= sum.time - WINDOW) ?? sums[i];
      const span = sum.time - since.time, { ok, errors, buckets } = difference(sum, since);
      return { x: Math.round(sum.time - now.time), ok: ok / span, errors: errors / span, p50: quantile(buckets, 0.5), p95: quantile(buckets, 0.95) };
    });
    const of = (key) => points.map((point) => [point.x, point[key]]);
    // The axis grows with what there is to see.
    const minutes = Math.min(KEPT / 60, Math.max(1, Math.ceil(-(points[0]?.x ?? 0) / 60)));
    const every = minutes > 1 ? 60 : 15;
    const x = { from: -60 * minutes, ticks: Array.from({ length: (60 * minutes) / every + 1 }, (_, i) => -every * i) };
    const nothing = this.#samples.length < 2 ? "the first point comes in a moment" : "no request in this time";
    this.rate.draw({ x, nothing, series: [{ name: "answered", points: of("ok") }, { name: "refused or failed", points: of("errors") }] });
    this.latency.draw({ x, nothing, series: [{ name: "p50", points: of("p50") }, { name: "p95", points: of("p95") }] });
    if (now) this.#tell(now);
  }

  #tell({ ok, errors, buckets }) {
    const milliseconds = (share) => (quantile(buckets, share) === null ? "–" : `${format(quantile(buckets, share))} ms`);
    const texts = { requests: format(ok + errors), errors: format(errors), p50: milliseconds(0.5), p95: milliseconds(0.95) };
    for (const [key, text] of Object.entries(texts)) byId(`total-${key}`).textContent = text;
  }
}
