// What to ask of a world model: the form's choices as inputs of `imagine` or `imagine_policy`.

import { pathOf } from "./server.js";

const LONGEST = 1000; // steps; beyond, no actions are made up that the server refuses anyway

export class Wrong extends Error {} // what the form says cannot be asked

export function isDiscrete({ signatures }) {
  return "legal_actions" in (signatures.imagine ?? signatures.imagine_policy).outputs;
}

// Of an agent's predicted legal actions: the likely ones, and the likeliest always, as the model itself does.
export function isLegal(row, action) {
  return row[action] > 0.5 || row[action] === Math.max(...row);
}

// What the version has answered before, a start and actions without the batch's axis; or nothing.
export function recorded({ examples }) {
  const inputs = examples.imagine_policy ?? examples.imagine;
  if (!inputs) return null;
  const { observations, state, legal_actions: legal } = inputs;
  const start = { observations: observations[0], state: state[0], ...(legal ? { legal_actions: legal[0] } : {}) };
  return { start, actions: examples.imagine?.actions[0] ?? null };
}

// {signature_name, inputs} of the form; asks the server where legal actions depend on its answers.
export async function request(server, version, form, tell) {
  const start = startOf(version, form);
  const { observations, state } = start;
  const inputs = { observations: [observations], state: [state] };
  if (!Number.isInteger(form.horizon)) throw new Wrong("The horizon must be a whole number.");
  if (!isInt32(form.seed)) throw new Wrong("The seed must be a whole number of 32 bits.");
  if (form.actions === "policy") {
    if (!Number.isFinite(form.exploration)) throw new Wrong("The exploration must be a number.");
    const chosen = { horizon: form.horizon, exploration: form.exploration, seed: [form.seed, 0] };
    const legal = isDiscrete(version) ? { legal_actions: [start.legal_actions ?? everything(version)] } : {};
    return { signature_name: "imagine_policy", inputs: { ...inputs, ...chosen, ...legal } };
  }
  if (form.horizon < 1 || form.horizon > LONGEST)
    throw new Wrong(`the horizon must be 1 to ${LONGEST}, got ${form.horizon}`);
  const make = form.actions === "own" ? own : isDiscrete(version) ? randomLegal : randomVectors;
  return { signature_name: "imagine", inputs: { ...inputs, actions: [await make(version, form, start, server, tell)] } };
}

function startOf(version, form) {
  if (form.start === "recorded") return recorded(version).start;
  if (form.start === "zeros") {
    const { observations, state } = (version.signatures.imagine ?? version.signatures.imagine_policy).inputs;
    return { observations: full(observations.shape.slice(1), () => 0), state: full(state.shape.slice(1), () => 0) };
  }
  const start = parsed(form.ownStart, "start");
  if (!start || !Array.isArray(start.observations) || !Array.isArray(start.state))
    throw new Wrong('The start must be {"observations": [[...], ...], "state": [...]}.');
  return start;
}

function own(version, form) {
  const actions = parsed(form.ownActions, "actions");
  const depth = isDiscrete(version) ? 2 : 3; // steps, agents, and a vector each
  if (!Array.isArray(actions) || !actions.length || depthOf(actions) !== depth)
    throw new Wrong(`The actions must be a list with one joint action, ${depth === 2 ? "[1, 0, ...]" : "[[0.1, ...], ...]"}, for each step.`);
  if (actions.length > form.horizon)
    throw new Wrong(`There are ${actions.length} joint actions for a horizon of ${form.horizon}.`);
  return Array.from({ length: form.horizon }, (_, t) => actions[Math.min(t, actions.length - 1)]);
}

function randomVectors(version, form) {
  if (!(form.largest > 0)) throw new Wrong("The largest action must be a number above 0.");
  const random = generator(form.seed);
  // Where agents differ in width, the recorded joint action is exactly zero in the padding.
  const known = recorded(version)?.actions?.[0];
  const shape = version.signatures.imagine.inputs.actions.shape.slice(2);
  return full([form.horizon], () =>
    full(shape, ([agent, i]) => (known?.[agent][i] === 0 ? 0 : Number(((2 * random() - 1) * form.largest).toFixed(4)))));
}

// Step by step: which actions are legal next, the model says after each.
async function randomLegal(version, form, start, server, tell) {
  const random = generator(form.seed);
  const pick = (legal) => legal.map((row) => {
    const choices = [...row.keys()].filter((action) => isLegal(row, action));
    return choices[Math.floor(random() * choices.length)];
  });
  const known = form.start === "recorded" ? recorded(version).actions?.[0] : null;
  let joint = start.legal_actions || !known ? pick(start.legal_actions ?? everything(version)) : known;
  let { observations, state } = start;
  const actions = [joint];
  while (actions.length < form.horizon) {
    tell(`Step ${actions.length} of ${form.horizon}…`);
    const inputs = { observations: [observations], state: [state], actions: [[joint]] };
    const answer = await server.predict(`${pathOf(version.name, version.version)}:predict`, { signature_name: "imagine", inputs });
    [observations, state] = [answer.next_observations[0][0], answer.next_state[0][0]];
    if (answer.termination[0][0] <= 0.5) joint = pick(answer.legal_actions[0][0]); // else nothing counts any more
    actions.push(joint);
  }
  return actions;
}

function everything({ signatures }) {
  const { shape } = (signatures.imagine ?? signatures.imagine_policy).outputs.legal_actions;
  const [agents, choices] = shape.slice(-2);
  return full([agents, choices], () => 1);
}

function parsed(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Wrong(`The ${what} are not JSON: ${error.message}`.replace("start are", "start is"));
  }
}

function depthOf(value) {
  return Array.isArray(value) ? 1 + depthOf(value[0]) : 0;
}

function isInt32(value) {
  return (value | 0) === value;
}

function full([size, ...rest], make, place = []) {
  return Array.from({ length: size }, (_, i) => (rest.length ? full(rest, make, [...place, i]) : make([...place, i])));
}

// Mulberry32: the same numbers in [0, 1) for the same seed, which the browser's own cannot do.
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
