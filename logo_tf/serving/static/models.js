// The table of models: every version, its state, labels and signatures, kept as it is where nothing changed.

import { byId, el } from "./dom.js";
import { pathOf } from "./server.js";

const STATES = { START: "starting", LOADING: "loading", AVAILABLE: "available", UNLOADING: "unloading", END: "ended" };

export class Models {
  #metadata = new Map(); // "name/version" -> signatures, which never change
  #rows = new Map(); // "name/version" -> {text, element}
  #table = byId("models-table");

  // Ask for all of it; returns the versions that serve: [{name, version, signatures}].
  async update(server) {
    const { models } = await server.json("page/models");
    const asked = models.map(async ({ name, labels }) => {
      const { model_version_status: versions } = await server.json(`v1/models/${encodeURIComponent(name)}`);
      return Promise.all(versions.map((version) => this.#version(server, name, labels, version)));
    });
    const found = (await Promise.all(asked)).flat();
    this.#show(found);
    return found.filter(({ signatures }) => signatures);
  }

  async #version(server, name, labels, { version, state, status }) {
    const known = Object.keys(labels).filter((label) => String(labels[label]) === version);
    const found = { name, version, state, error: status.error_message, labels: known };
    if (state !== "AVAILABLE") return found;
    const key = `${name}/${version}`;
    if (!this.#metadata.has(key)) {
      try {
        const { metadata } = await server.json(`${pathOf(name, version)}/metadata`);
        this.#metadata.set(key, signaturesOf(metadata));
      } catch (error) {
        return { ...found, error: error.message }; // it may have ended in between
      }
    }
    return { ...found, signatures: this.#metadata.get(key) };
  }

  #show(found) {
    byId("models-none").hidden = found.length > 0;
    this.#table.hidden = !found.length;
    // Of what ended in good order, the newest of each model is news enough.
    const seen = new Set();
    const shown = found.filter(({ name, state, error }) => {
      if (state !== "END" || error) return true;
      return !seen.has(name) && seen.add(name);
    });
    const rows = shown.map((version) => this.#row(version));
    const body = this.#table.tBodies[0];
    if (rows.length !== body.rows.length || rows.some((row, i) => row !== body.rows[i])) body.replaceChildren(...rows);
  }

  #row(version) {
    const key = `${version.name}/${version.version}`, text = JSON.stringify(version);
    if (this.#rows.get(key)?.text !== text) this.#rows.set(key, { text, element: row(version) });
    return this.#rows.get(key).element;
  }
}

function row({ name, version, state, error, labels, signatures }) {
  const told = STATES[state] ?? state;
  const shown = el("span", { class: `state ${error ? "failed" : told}` }, error && state === "END" ? "failed" : told);
  const cell = (title, ...children) => el("td", { role: "cell", "data-title": title }, ...children);
  return el("tr", { role: "row" },
    el("th", { role: "rowheader", scope: "row" }, ...breakable(name)),
    cell("Version", version),
    cell("State", shown, ...(error ? [el("p", { class: "why" }, error)] : [])),
    cell("Labels", ...(labels.length ? labels.map((label) => el("span", { class: "label" }, label)) : ["–"])),
    cell("Signatures", signatures ? details(signatures) : "–"));
}

// A name may go on in the next line after each underscore.
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [part, el("wbr")]);
}

function details(signatures) {
  const names = Object.keys(signatures).sort();
  const line = (kind, tensors) => el("div", { class: "tensors" }, el("h4", {}, kind),
    el("ul", {}, ...Object.keys(tensors).sort().map((name) => {
      const { dtype, shape } = tensors[name];
      return el("li", {}, el("code", {}, name), ` ${dtype} ${shape ? `[${shape.join(", ")}]` : "of any shape"}`);
    })));
  const parts = names.flatMap((name) => [
    el("h3", {}, name), line("takes", signatures[name].inputs), line("answers", signatures[name].outputs),
  ]);
  return el("details", {}, el("summary", {}, names.join(", ")), el("div", { class: "signatures" }, ...parts));
}

// Metadata as {signature: {inputs: {name: {dtype, shape}}, outputs}}; a size of -1 is free.
function signaturesOf(metadata) {
  const tensors = (infos) => Object.fromEntries(Object.entries(infos).map(([name, { dtype, tensor_shape: shape }]) =>
    [name, { dtype: plain(dtype), shape: shape.unknown_rank ? null : shape.dim.map(({ size }) => Number(size)) }]));
  return Object.fromEntries(Object.entries(metadata.signature_def.signature_def)
    .filter(([name]) => !name.startsWith("__"))
    .map(([name, { inputs, outputs }]) => [name, { inputs: tensors(inputs), outputs: tensors(outputs) }]));
}

// As NumPy says it.
function plain(dtype) {
  const name = dtype.replace(/^DT_/, "").toLowerCase();
  return { float: "float32", double: "float64", half: "float16" }[name] ?? name;
}
