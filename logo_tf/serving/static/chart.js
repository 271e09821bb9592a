// Line charts in SVG: axes with units, bands, a legend, and a cursor that several charts share.

import { el, svg } from "./dom.js";
import { extent, format, ticks } from "./scale.js";

const RIGHT = 14, BOTTOM = 34;

// Where one chart is pointed at, all of a group are.
export class Cursor {
  #charts = new Set();

  add(chart) {
    this.#charts.add(chart);
  }

  clear() {
    this.#charts.clear();
  }

  move(x) {
    for (const chart of this.#charts) chart.point(x);
  }
}

export class Chart {
  #data = { series: [] };
  #at = null;
  #width = 0;

  // title; x, y: {label, from, to}, of which x may also say what a place is called; height and room to the left
  // in pixels; steers: whether arrow keys move the cursor.
  constructor(cursor, { title, x, y, height = 210, left = 56, steers = false }) {
    Object.assign(this, { cursor, title, x, y, height, left, steers });
    this.top = y.label ? 24 : 8;
    this.picture = svg("svg", { height, role: steers ? "slider" : "img", "aria-label": title });
    this.legend = el("ul", { class: "legend" });
    this.reading = el("span", { class: "reading" });
    const caption = el("figcaption", {}, el("span", { class: "name" }, title), this.reading);
    this.element = el("figure", { class: "chart" }, caption, this.picture, this.legend);
    if (steers) this.picture.setAttribute("tabindex", "0");
    this.picture.addEventListener("pointermove", (event) => cursor.move(this.#nearest(event)));
    this.picture.addEventListener("pointerleave", () => cursor.move(null));
    this.picture.addEventListener("blur", () => cursor.move(null));
    this.picture.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#resize()).observe(this.element);
    cursor.add(this);
  }

  // series: [{name, points: [[x, y or null]], band: [[x, low, high]], bandName}]; xs: where the cursor may be;
  // nothing: what is said where no point is; x: changes of the axis.
  draw(data) {
    this.#data = data;
    Object.assign(this.x, data.x);
    this.#legend();
    this.#paint();
  }

  point(x) {
    this.#at = x;
    this.#paint();
  }

  #legend() {
    const entries = this.#data.series.flatMap(({ name, bandName }, i) => [
      el("li", {}, swatch(`line s${i}`), name),
      ...(bandName ? [el("li", {}, swatch(`band s${i}`), bandName)] : []),
    ]);
    this.legend.replaceChildren(...entries);
  }

  #resize() {
    const width = this.element.clientWidth;
    if (!width || width === this.#width) return;
    this.#width = width;
    this.#paint();
  }

  #paint() {
    const width = this.#width || this.element.clientWidth;
    if (!width) return; // not shown yet
    const { series } = this.#data;
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    const scales = this.#scales(width);
    this.picture.replaceChildren(
      ...this.#axes(width, scales),
      ...series.map(({ band }, i) => svg("path", { class: `band s${i}`, d: area(band ?? [], scales) })),
      ...series.map(({ points }, i) => svg("path", { class: `line s${i}`, d: line(points, scales) })),
      ...this.#marks(scales),
    );
    if (!series.some(({ points }) => points.some(([, value]) => Number.isFinite(value)))) {
      const place = { class: "nothing", x: (this.left + width - RIGHT) / 2, y: this.height / 2, "text-anchor": "middle" };
      this.picture.append(svg("text", place, this.#data.nothing ?? "nothing yet"));
    }
  }

  #scales(width) {
    const { series } = this.#data;
    const [left, right] = extent(series.flatMap(({ points }) => points.map(([x]) => x)));
    const ends = series.flatMap(({ points, band = [] }) => [
      ...points.map(([, y]) => y),
      ...band.flatMap(([, low, high]) => [low, high]),
    ]);
    const [low, high] = extent(ends);
    const from = this.x.from ?? left, to = Math.max(this.x.to ?? right, from + 1e-9);
    const steps = ticks(this.y.from ?? low, this.y.to ?? high, this.height < 160 ? 3 : 4);
    const bottom = this.y.from ?? steps[0], top = this.y.to ?? steps.at(-1);
    const across = (x) => this.left + ((x - from) / (to - from)) * (width - this.left - RIGHT);
    const up = (y) => this.height - BOTTOM - ((y - bottom) / (top - bottom)) * (this.height - this.top - BOTTOM);
    return { across, up, from, to, steps };
  }

  #axes(width, { across, up, from, to, steps }) {
    const floor = this.height - BOTTOM;
    const count = Math.max(2, Math.min(8, Math.floor((width - this.left) / 80)));
    const wholes = this.x.ticks ?? ticks(from, to, count).filter((x) => x >= from && x <= to && Number.isInteger(x));
    return [
      ...steps.flatMap((y) => [
        svg("line", { class: "grid", x1: this.left, x2: width - RIGHT, y1: up(y), y2: up(y) }),
        svg("text", { x: this.left - 7, y: up(y) + 4, "text-anchor": "end" }, format(y)),
      ]),
      svg("line", { class: "axis", x1: this.left, x2: width - RIGHT, y1: floor, y2: floor }),
      ...wholes.map((x) => {
        const end = across(x) > width - RIGHT - 12 ? "end" : "middle";
        return svg("text", { x: across(x) + (end === "end" ? RIGHT - 4 : 0), y: floor + 15, "text-anchor": end }, format(Math.abs(x)));
      }),
      svg("text", { class: "unit", x: 0, y: 13 }, this.y.label ?? ""),
      svg("text", { class: "unit", x: (this.left + width - RIGHT) / 2, y: this.height - 4, "text-anchor": "middle" }, this.x.label),
    ];
  }

  // The cursor, and in words what it points at.
  #marks({ across, up }) {
    const { series } = this.#data;
    if (this.#at === null) {
      this.reading.textContent = "";
      return [];
    }
    const found = series.map(({ name, points, band }) => {
      const value = points.find(([x]) => x === this.#at)?.[1];
      const edge = band?.find(([x]) => x === this.#at);
      return { name, value, spread: edge && Number.isFinite(value) ? (edge[2] - edge[1]) / 2 : 0 };
    });
    const texts = found
      .filter(({ value }) => Number.isFinite(value))
      .map(({ name, value, spread }) => {
        const text = spread ? `${format(value, 3)} ± ${format(spread, 2)}` : format(value);
        return series.length > 1 ? `${name} ${text}` : text;
      });
    const text = [this.x.say?.(this.#at), texts.join(", ") || "none"].filter(Boolean).join(": ");
    this.reading.textContent = text;
    if (this.steers) {
      this.picture.setAttribute("aria-valuenow", this.#at);
      this.picture.setAttribute("aria-valuetext", text);
    }
    const x = across(this.#at);
    return [
      svg("line", { class: "cursor", x1: x, x2: x, y1: this.top, y2: this.height - BOTTOM }),
      ...found.flatMap(({ value }, i) =>
        Number.isFinite(value) ? [svg("circle", { class: `dot s${i}`, cx: x, cy: up(value), r: 3.5 })] : []),
    ];
  }

  #places() {
    return this.#data.xs ?? this.#data.series[0]?.points.map(([x]) => x) ?? [];
  }

  #nearest(event) {
    const box = this.picture.getBoundingClientRect();
    const { from, to } = this.#scales(box.width);
    const x = from + ((event.clientX - box.left - this.left) / (box.width - this.left - RIGHT)) * (to - from);
    let best = null;
    for (const place of this.#places()) if (best === null || Math.abs(place - x) < Math.abs(best - x)) best = place;
    return best;
  }

  #key(event) {
    const places = this.#places();
    const last = places.length - 1, now = places.indexOf(this.#at);
    const next = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: 0, End: last }[event.key];
    if (next === undefined || !this.steers || last < 0) return;
    event.preventDefault();
    this.cursor.move(places[Math.max(0, Math.min(last, next))]);
  }
}

function swatch(classes) {
  return svg("svg", { width: 18, height: 10, "aria-hidden": "true" },
    svg("path", { class: classes, d: classes.startsWith("band") ? "M0 0H18V10H0Z" : "M0 5H18" }));
}

// Runs of what is finite, so that gaps stay gaps; alone, a point is a dot.
function runs(points) {
  const found = [[]];
  for (const point of points) {
    if (point.every(Number.isFinite)) found.at(-1).push(point);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((run) => run.length);
}

function line(points, { across, up }) {
  const at = ([x, y]) => `${across(x).toFixed(2)} ${up(y).toFixed(2)}`;
  return runs(points).map((run) => (run.length === 1 ? `M${at(run[0])}h0` : `M${run.map(at).join("L")}`)).join("");
}

function area(band, { across, up }) {
  return runs(band).map((run) => {
    const above = run.map(([x, , high]) => `${across(x).toFixed(2)} ${up(high).toFixed(2)}`);
    const below = run.map(([x, low]) => `${across(x).toFixed(2)} ${up(low).toFixed(2)}`).reverse();
    return `M${[...above, ...below].join("L")}Z`;
  }).join("");
}
