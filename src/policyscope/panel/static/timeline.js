// Values, actions, rewards and events of an episode on one axis of time.

import { byId, el, extent, fixed, signed } from "./dom.js";
import { actionChanges, ending, steps } from "./episode.js";
import { axis, barPlot, lane, linePlot } from "./lanes.js";
import { actionColour, actionDash, shortNames } from "./palette.js";

const MANY_STEPS = 40;
const NEUTRAL = () => ({ colour: "var(--ink-2)", dash: "none" });
const ACTION = (i) => ({ colour: actionColour(i), dash: actionDash(i) });

function columns(rows) {
  return rows[0].map((_, i) => rows.map((row) => row[i]));
}

// Present values of every action as bars from zero, the chosen one marked.
function valueBars(name, actions) {
  const rows = actions.map((action, i) =>
    el("div", { class: "value", "data-action": i },
      el("span", { class: "mark", "aria-hidden": "true" }), el("span", { class: "name" }, action),
      el("span", { class: "bar" }, el("i", { style: `background:${actionColour(i)}` })),
      el("b", {}), el("small", {})));
  const head = el("div", { class: "caption" }, el("span", {}, name === "q" ? "Q-values" : name),
    el("small", {}, "to the best"));
  return { nodes: [head, ...rows], rows };
}

function fillBars(rows, values, taken, range) {
  const best = Math.max(...values);
  const span = Math.max(range[1], 0) - Math.min(range[0], 0) || 1;
  const zero = (-Math.min(range[0], 0) / span) * 100;
  rows.forEach((row, i) => {
    const size = (Math.abs(values[i]) / span) * 100;
    const bar = row.querySelector("i");
    bar.parentElement.style.setProperty("--zero", `${zero}%`);
    bar.style.left = `${values[i] < 0 ? zero - size : zero}%`;
    bar.style.width = `${size}%`;
    row.querySelector("b").textContent = fixed(values[i]);
    row.querySelector("small").textContent = values[i] === best ? "best" : signed(values[i] - best);
    row.classList.toggle("chosen", i === taken);
    row.setAttribute("aria-label",
      `${row.querySelector(".name").textContent} ${fixed(values[i])}${i === taken ? ", chosen" : ""}`);
  });
}

function actionStrip(episode, actions) {
  const short = shortNames(actions);
  const changes = new Set(actionChanges(episode));
  const wide = steps(episode) <= MANY_STEPS;
  return el("div", { class: "cells" }, ...episode.action.map((action, t) =>
    el("span", {
      class: `cell${changes.has(t) ? " change" : ""}${episode.forced.includes(t) ? " forced" : ""}`,
      style: `--colour:${actionColour(action)}`,
      title: `step ${t}: ${actions[action]}${episode.forced.includes(t) ? " (not the policy's)" : ""}`,
    }, wide ? short[action] : "")));
}

function eventMarks(episode) {
  const count = steps(episode);
  const plot = el("div", {});
  const many = count > MANY_STEPS;
  for (const t of actionChanges(episode)) {
    plot.append(el("span", {
      class: `event${many ? " thin" : ""}`, style: `left:${(t / count) * 100}%`,
      title: `action changes at step ${t}`,
    }, many ? "" : "\u25be"));
  }
  const end = ending(episode);
  plot.append(el("span", { class: "event end", title: `${end.text} after the last step` }, end.mark));
  return plot;
}

function outputLane(data, episode, name) {
  const values = episode.outputs[name];
  const label = `${name} of every action over time`;
  if (!Array.isArray(values[0])) {
    const now = el("b", {});
    return {
      node: singleLane(episode, name, values, now),
      update: (t) => { now.textContent = fixed(values[t]); },
    };
  }
  const bars = valueBars(name, data.actions);
  const decides = name === data.outputs[0] && !Array.isArray(episode.action[0]);
  const range = extent([0, ...values.flat()]);
  const plot = linePlot(episode, columns(values), ACTION, decides ? (t) => episode.action[t] : null);
  return {
    node: lane(bars.nodes, plot, "values", label),
    update: (t) => fillBars(bars.rows, values[t], decides ? episode.action[t] : null, range),
  };
}

function singleLane(episode, name, values, now) {
  const range = extent(values).map((value) => fixed(value)).join(" to ");
  return lane([el("span", {}, name), el("small", {}, range), now],
    linePlot(episode, [values], NEUTRAL), "small-lane", `${name} over time`);
}

function seriesLane(episode, name, values) {
  const now = el("b", {});
  return {
    node: singleLane(episode, name, values, now),
    update: (t) => { now.textContent = fixed(values[t], 3); },
  };
}

function actionLanes(data, episode) {
  if (Array.isArray(episode.action[0])) {
    return columns(episode.action).map((values, i) => seriesLane(episode, `action ${i}`, values));
  }
  if (!data.actions.length) return [seriesLane(episode, "action", episode.action)];
  const now = el("b", {});
  return [{
    node: lane([el("span", {}, "action"), now], actionStrip(episode, data.actions), "actions",
      "actions over time"),
    update: (t) => { now.textContent = data.actions[episode.action[t]]; },
  }];
}

function rewardLanes(episode) {
  const now = el("b", {});
  const sum = el("small", {});
  const totals = [];
  episode.reward.reduce((total, reward, t) => (totals[t] = total + reward), 0);
  const end = ending(episode);
  return [{
    node: lane([el("span", {}, "reward"), sum, now], barPlot(episode.reward), "rewards", "rewards"),
    update: (t) => {
      now.textContent = fixed(episode.reward[t]);
      sum.textContent = `sum ${fixed(totals[t])}`;
    },
  }, {
    node: lane([el("span", {}, "events"), el("small", {}, end.text)], eventMarks(episode), "events",
      "events"),
    update: () => {},
  }];
}

export function mountTimeline(data, store, current) {
  const root = byId("timeline");
  let parts = [];
  return (state, changed) => {
    if (changed.has("episode")) {
      const episode = current();
      parts = [
        ...data.outputs.map((name) => outputLane(data, episode, name)),
        ...actionLanes(data, episode),
        ...rewardLanes(episode),
        ...(episode.observation
          ? columns(episode.observation).map((v, i) => seriesLane(episode, data.features[i], v))
          : []),
        { node: lane([el("span", {}, "step")], axis(steps(episode)), "axis", "steps"), update() {} },
      ];
      root.replaceChildren(...parts.map((part) => part.node));
    }
    if (changed.has("episode") || changed.has("step")) {
      for (const part of parts) part.update(state.step);
    }
  };
}
