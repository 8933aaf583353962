// Lanes of the timeline: lines, cells and bars over time. Step t fills [t, t + 1) of the width.

import { el, extent, fixed, svg } from "./dom.js";
import { steps } from "./episode.js";

const HEIGHT = 100;
const MARGIN = 14;

export function lane(gutter, plot, name, label) {
  plot.classList.add("plot");
  return el("div", { class: `lane ${name}`, role: "group", "aria-label": label },
    el("div", { class: "gutter" }, ...gutter), plot);
}

export function stretched(count, height, ...children) {
  return svg("svg", {
    viewBox: `0 0 ${count} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true",
  }, ...children);
}

// Lines of several series on one scale, with dots where `chosen(t)` names the series.
export function linePlot(episode, series, style, chosen) {
  const count = steps(episode);
  const [low, high] = extent(series.flat());
  const at = (value) => HEIGHT - MARGIN - ((value - low) / (high - low)) * (HEIGHT - 2 * MARGIN);
  const marks = [];
  if (low < 0 && high > 0) {
    marks.push(svg("path", { d: `M0 ${at(0)}H${count}`, class: "zero" }));
  }
  series.forEach((values, i) => {
    const points = values.map((v, t) => (v === null ? null : `${t + 0.5},${at(v)}`));
    marks.push(svg("polyline", {
      points: points.filter(Boolean).join(" "), class: "track", "data-series": i,
      stroke: style(i).colour, "stroke-dasharray": style(i).dash,
    }));
  });
  if (chosen && count <= 120) {
    for (let t = 0; t < count; t += 1) {
      const i = chosen(t);
      if (i === null || series[i][t] === null) continue;
      marks.push(svg("path", {
        d: `M${t + 0.5} ${at(series[i][t])}h0`, class: "dot", stroke: style(i).colour,
      }));
    }
  }
  return el("div", {}, stretched(count, HEIGHT, ...marks),
    el("span", { class: "tick top" }, fixed(high)), el("span", { class: "tick bottom" }, fixed(low)));
}

export function barPlot(values) {
  const [low, high] = extent([0, ...values]);
  const span = high - low;
  const bars = values.map((value, t) => {
    const top = ((high - Math.max(value, 0)) / span) * HEIGHT;
    return svg("rect", {
      x: t + 0.18, width: 0.64, y: top, height: (Math.abs(value) / span) * HEIGHT,
      class: value < 0 ? "loss" : "gain",
    });
  });
  return el("div", {}, stretched(values.length, HEIGHT,
    svg("path", { d: `M0 ${(high / span) * HEIGHT}H${values.length}`, class: "zero" }), ...bars));
}

// Numbers of the steps, as many as have room.
export function axis(count) {
  const stride = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((s) => count / s <= 16) || 1000;
  const plot = el("div", {});
  for (let t = 0; t < count; t += stride) {
    plot.append(el("span", { style: `left:${((t + 0.5) / count) * 100}%` }, String(t)));
  }
  return plot;
}
