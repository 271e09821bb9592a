// An imagined rollout, drawn: reward, uncertainty, and each dimension of the state, step by step.

import { Chart, Cursor } from "./chart.js";
import { byId, el, say } from "./dom.js";
import { isLegal } from "./request.js";
import { format } from "./scale.js";

const SPREADS = 2; // standard deviations that a band is wide, to each side
const FIRST = 12; // dimensions of the state that are drawn at once
const BAND = `± ${SPREADS} standard deviations`;


// answer: outputs of the signature, of one row; start: {state}; about: {name, version, milliseconds}.
export function show(answer, start, about) {
  const steps = answer.running[0].filter((running) => running > 0.5).length;
  const row = (name) => answer[name]?.[0].slice(0, steps);
  const reward = row("reward"), spread = row("reward_std");
  const total = reward.reduce((sum, value) => sum + value, 0);
  const early = steps < answer.running[0].length ? ` The model ends the episode after step ${steps}.` : "";
  const told = `${about.name} version ${about.version}: ${steps} ${steps === 1 ? "step" : "steps"} in ${format(about.milliseconds)} ms, return ${format(total)}.`;
  say(byId("rollout-summary"), told + early);
  say(byId("rollout-illegal"), illegal(answer, steps));
  byId("rollout").hidden = false;

  const cursor = new Cursor(), xs = reward.map((_, t) => t + 1);
  const axis = { label: "step", from: 0, to: steps };
  const draw = (title, y, series, more = {}) => {
    const chart = new Chart(cursor, { title, x: { ...axis, say: (x) => `step ${x}` }, y, ...more });
    chart.draw({ series, xs });
    return chart.element;
  };
  const plain = (name, values) => [{ name, points: values.map((value, t) => [t + 1, value]) }];
  const bound = row("state_error_bound");
  const charts = [
    draw("Reward", { label: "reward a step" }, [banded("reward", reward, spread, 1)], { steers: true }),
    draw("Uncertainty", { label: "no unit", from: 0 }, plain("uncertainty", row("uncertainty"))),
    draw("Chance that the episode ends", { label: "probability", from: 0, to: 1 }, plain("termination", row("termination"))),
  ];
  if (bound) charts.push(draw("Bound of the state's error", { label: "standard deviations", from: 0 }, plain("bound", bound)));
  byId("rollout-charts").replaceChildren(...charts);

  const states = row("next_state"), spreads = row("next_state_std");
  const dimension = (i) => {
    const values = [start.state[i], ...states.map((state) => state[i])];
    const around = [0, ...spreads.map((state) => state[i])];
    // Too small to say it again: which step the cursor is at, the charts above tell.
    const small = { x: { ...axis }, height: 130, left: 44 };
    return draw(`state ${i}`, {}, [banded("predicted", values, around, 0)], small);
  };
  const all = [...start.state.keys()];
  const grid = byId("rollout-states"), rest = byId("rollout-rest");
  grid.replaceChildren(...all.slice(0, FIRST).map(dimension));
  rest.hidden = all.length <= FIRST;
  rest.textContent = `Show all ${all.length} dimensions`;
  rest.onclick = () => {
    grid.append(...all.slice(FIRST).map(dimension));
    rest.hidden = true;
  };
  const columns = { step: xs, reward, "reward, std": spread, uncertainty: row("uncertainty"), termination: row("termination") };
  if (bound) columns["state error bound"] = bound;
  tabulate(columns);
}

// A line from step `first` on, and its band.
function banded(name, values, spreads, first) {
  const band = values.map((value, t) => [t + first, value - SPREADS * spreads[t], value + SPREADS * spreads[t]]);
  return { name, points: values.map((value, t) => [t + first, value]), band, bandName: BAND };
}

function tabulate(columns) {
  const names = Object.keys(columns);
  const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)));
  const rows = columns.step.map((_, t) => el("tr", {}, ...names.map((name) => {
    const value = columns[name][t];
    return el("td", {}, value === null ? "–" : name === "step" ? String(value) : format(value));
  })));
  byId("rollout-numbers").replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
}

// Which of the actions that were taken the model holds illegal; of the first step it says nothing.
function illegal({ actions, legal_actions: legal }, steps) {
  if (!legal) return "";
  const found = [];
  for (let t = 1; t < steps; t++) {
    actions[0][t].forEach((action, agent) => {
      if (!isLegal(legal[0][t - 1][agent], action)) found.push(`agent ${agent}'s ${action} at step ${t + 1}`);
    });
  }
  if (!found.length) return "";
  return `The model holds ${found.length} of these actions illegal, the first: ${found[0]}.`;
}
