// Title, summary with intervals, and where all of it comes from.

import { byId, el, fixed, percent } from "./dom.js";
import { outcomeClass } from "./palette.js";

function figure(title, value, interval, name) {
  return el("div", { class: `figure ${name || ""}` }, el("span", { class: "title" }, title),
    el("b", {}, value), el("small", {}, interval));
}

export function mountHeader(data) {
  const { summary } = data;
  byId("agent").textContent = data.agent;
  byId("about").textContent = [
    data.env.id, `acting ${data.act}`, `${summary.episodes} episodes`,
    ...(data.episodes.length < summary.episodes ? [`${data.episodes.length} on this page`] : []),
    "95% intervals",
  ].join(" \u00b7 ");
  const mean = summary.mean_return;
  byId("figures").append(
    figure("mean return", fixed(mean.value), mean.low === null
      ? "one episode" : `${fixed(mean.low)} to ${fixed(mean.high)}`),
    ...summary.outcomes.map((rate) =>
      figure(rate.name.replaceAll("_", " ").replaceAll("+", " and "), percent(rate.value),
        `${percent(rate.low)} to ${percent(rate.high)}`, outcomeClass(rate.name))),
  );
  byId("figures").title = `95% intervals over ${summary.episodes} episodes: ` +
    "bootstrap of the mean return, Wilson of the rates";
}

function origin(data) {
  const { provenance: from, env } = data;
  const packages = { ...(from.packages || {}), ...env.versions };
  return [
    from.policyscope && `policyscope ${from.policyscope}`,
    from.date && `recorded ${from.date.slice(0, 10)}`,
    from.seed !== null && from.seed !== undefined && `seed ${from.seed}`,
    from.commit && `commit ${from.commit.slice(0, 10)}`,
    ...Object.entries(packages).filter(([, v]) => v).map(([name, v]) => `${name} ${v}`),
  ].filter(Boolean).join(" \u00b7 ");
}

export function mountFooter(data) {
  byId("commands").append(...Object.entries(data.commands).map(([door, line]) =>
    el("span", { title: door }, el("code", {}, line))));
  byId("provenance").textContent = origin(data);
  byId("provenance").title = origin(data);
}
