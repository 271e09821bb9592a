// The form that imagines: choices that the served versions allow, and the answer, drawn.

import { byId, say } from "./dom.js";
import { isDiscrete, recorded, request, Wrong } from "./request.js";
import { show } from "./rollout.js";
import { pathOf, ServerError } from "./server.js";

const ACTIONS = { policy: "of the exported policy", random: "random", own: "my own" };
const STARTS = { recorded: "recorded with the version", zeros: "all zero", own: "my own" };

export class Imagine {
  #versions = new Map(); // "name/version" -> {name, version, signatures, examples}
  #chosen = null;
  #filled = new Map(); // field -> the text that was put there, to tell what was typed since

  constructor(server) {
    this.server = server;
    this.form = byId("imagine-form");
    this.fields = this.form.elements;
    this.fields.version.addEventListener("change", () => this.#choose());
    this.fields.actions.addEventListener("change", () => this.#arrange());
    this.fields.start.addEventListener("change", () => this.#arrange());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#imagine();
    });
  }

  // Take what serves now, highest versions first.
  async offer(versions) {
    const found = new Map();
    for (const version of versions) {
      if (!version.signatures.imagine && !version.signatures.imagine_policy) continue;
      const key = `${version.name}/${version.version}`;
      found.set(key, this.#versions.get(key) ?? { ...version, examples: await this.#examples(version) });
    }
    const changed = [...found.keys()].join() !== [...this.#versions.keys()].join();
    this.#versions = found;
    byId("imagine-none").hidden = found.size > 0;
    this.form.hidden = !found.size;
    if (!changed) return;
    const { version: field } = this.fields;
    const before = field.value, name = before.split("/")[0];
    field.replaceChildren(...[...found].map(([key, { name, version }]) => new Option(`${name}, version ${version}`, key)));
    // A version that was replaced is followed by the one that took over.
    field.value = found.has(before) ? before : [...found.keys()].find((key) => key.split("/")[0] === name) ?? field.value;
    this.#choose();
  }

  async #examples({ name, version }) {
    const { examples } = await this.server.json(`page/models/${encodeURIComponent(name)}/versions/${version}/examples`);
    return Object.fromEntries(examples.map(({ signature_name: signature, inputs }) => [signature, inputs]));
  }

  #choose() {
    const version = this.#versions.get(this.fields.version.value) ?? null;
    if (version === this.#chosen || !version) return;
    this.#chosen = version;
    const { imagine, imagine_policy: policy } = version.signatures;
    offer(this.fields.actions, ACTIONS, [...(policy ? ["policy"] : []), ...(imagine ? ["random", "own"] : [])]);
    const known = recorded(version);
    offer(this.fields.start, STARTS, [...(known ? ["recorded"] : []), "zeros", "own"]);
    this.#fill("ownStart", known ? JSON.stringify(known.start) : '{"observations": [[]], "state": []}');
    this.#fill("ownActions", JSON.stringify(known?.actions?.slice(0, 1) ?? []));
    this.#arrange();
  }

  #fill(name, text) {
    const field = this.fields[name];
    if (field.value === (this.#filled.get(name) ?? "")) field.value = text;
    this.#filled.set(name, text);
  }

  // Only what the choices need is there.
  #arrange() {
    const actions = this.fields.actions.value, vectors = !isDiscrete(this.#chosen);
    byId("exploration-field").hidden = actions !== "policy";
    byId("largest-field").hidden = actions !== "random" || !vectors;
    byId("own-actions-field").hidden = actions !== "own";
    byId("own-start-field").hidden = this.fields.start.value !== "own";
  }

  #read() {
    const number = (name) => (this.fields[name].value.trim() ? Number(this.fields[name].value) : NaN);
    const text = (name) => this.fields[name].value;
    return {
      actions: text("actions"), start: text("start"), ownActions: text("ownActions"), ownStart: text("ownStart"),
      horizon: number("horizon"), seed: number("seed"), exploration: number("exploration"), largest: number("largest"),
    };
  }

  async #imagine() {
    const version = this.#chosen, button = byId("imagine-button"), path = `${pathOf(version.name, version.version)}:predict`;
    const tell = (text) => say(byId("imagine-progress"), text);
    button.disabled = true;
    tell("Imagining…");
    say(byId("imagine-error"), "");
    try {
      const body = await request(this.server, version, this.#read(), tell);
      const begun = performance.now();
      const answer = await this.server.predict(path, body);
      show(answer, { state: body.inputs.state[0] }, { ...version, milliseconds: performance.now() - begun });
      byId("rollout-request").textContent = `POST ${new URL(path, document.baseURI)}\n\n${JSON.stringify(body)}`;
    } catch (error) {
      byId("rollout").hidden = true;
      say(byId("imagine-error"), error.message);
      if (!(error instanceof ServerError) && !(error instanceof Wrong)) throw error;
    } finally {
      button.disabled = false;
      tell("");
    }
  }
}

// Offer some of the options; what was chosen stays so, if it is there.
function offer(field, texts, values) {
  const before = field.value;
  field.replaceChildren(...values.map((value) => new Option(texts[value], value)));
  if (values.includes(before)) field.value = before;
}
