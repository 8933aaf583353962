"""The page that ``policyscope highlights`` writes: clips of telling moments in one HTML file."""

import base64
import html
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from policyscope.core.files import write_text
from policyscope.core.numbers import rounded
from policyscope.figures.theme import HEAD_COLOURS, ink
from policyscope.recordings.highlights.clips import Clip
from policyscope.recordings.highlights.moments import KINDS, Moment
from policyscope.recordings.read import Recording

_WIDE, _HIGH = 320, 64

_STYLE = """
:root { color-scheme: light dark; %(light)s --mark: #b34a00; --accent: #2c5d8f; --card: #ffffff;
  --back: #f6f7f8; }
@media (prefers-color-scheme: dark) { :root { %(dark)s --mark: #f08d4b; --accent: #8ab8e6;
  --card: #191c20; --back: #121417; } }
* { box-sizing: border-box; }
body { font: 14px/1.5 Inter, system-ui, 'Helvetica Neue', Arial, sans-serif; margin: 0 auto;
  background: var(--back); color: var(--text); max-width: 1180px; padding: 28px 20px 56px;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 24px; font-weight: 600; margin: 0 0 4px; letter-spacing: -0.01em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 14px 0 0;
  max-width: 90ch; font-size: 13px; }
dt { font-weight: 600; }
dd { margin: 0; color: var(--soft); }
p { margin: 0; color: var(--soft); max-width: 80ch; }
header p + p { margin-top: 4px; }
.note { margin-top: 10px; padding: 8px 12px; border-left: 3px solid var(--mark);
  background: var(--card); color: var(--text); }
.play { margin-top: 14px; }
button { font: inherit; color: var(--accent); background: var(--card); cursor: pointer;
  border: 1px solid var(--grid); border-radius: 6px; padding: 4px 12px; }
button:hover { border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.cards { display: grid; gap: 18px; margin-top: 20px; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%%, 300px), 1fr)); }
article { background: var(--card); border: 1px solid var(--grid); border-radius: 10px;
  overflow: hidden; display: flex; flex-direction: column; }
article:target { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
video { display: block; width: 100%%; background: #000; image-rendering: pixelated; }
.film { position: relative; background: #000; cursor: pointer; }
.film button { position: absolute; left: 10px; bottom: 10px; width: 36px; height: 36px; padding: 0;
  border: 0; border-radius: 50%%; background: rgb(0 0 0 / 60%%); color: #fff; font-size: 14px;
  line-height: 36px; opacity: 0.85; }
.film.plays button { opacity: 0; }
.film:hover button, .film button:focus-visible { opacity: 1; }
.lines { display: block; width: 100%%; }
.told { padding: 10px 14px 12px; display: flex; flex-direction: column; gap: 6px; flex: 1; }
.why { color: var(--text); }
.kind { color: var(--mark); font-weight: 600; margin-right: 4px; }
.now { display: flex; justify-content: space-between; font-size: 12px; color: var(--soft); }
.curve { display: block; width: 100%%; height: 56px; overflow: visible; }
.curve * { vector-effect: non-scaling-stroke; }
.curve path { fill: none; stroke: var(--accent); stroke-width: 1.75; }
.curve .moment { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 3 3; }
.curve .head { stroke: var(--soft); stroke-width: 1; }
.key { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 12px; color: var(--soft); }
.key i { display: inline-block; width: 10px; height: 3px; margin-right: 5px;
  vertical-align: middle; }
.meta { display: flex; flex-wrap: wrap; gap: 0 10px; font-size: 12px; color: var(--soft);
  margin-top: auto; padding-top: 4px; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
.place, code { font: 12px/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
code { display: block; padding: 5px 8px; margin-top: 5px; border-radius: 5px; user-select: all;
  background: var(--back); color: var(--text); overflow-wrap: anywhere; }
summary { font-size: 12px; color: var(--accent); cursor: pointer; }
details p { font-size: 12px; margin-top: 6px; }
"""

_SCRIPT = """
const minus = (x) => x === null ? "" : String(Number(x.toPrecision(3))).replace("-", "\\u2212");
for (const card of document.querySelectorAll("article[data-clip]")) {
  const clip = JSON.parse(card.dataset.clip), video = card.querySelector("video");
  const head = card.querySelector(".head");
  const [step, number] = card.querySelectorAll(".now span");
  const show = () => {
    const i = Math.min(clip.actions.length - 1, Math.floor(video.currentTime * clip.fps + 1e-3));
    step.textContent = `step ${clip.first + i} \\u00b7 ${clip.actions[i]}`;
    if (!head) return;
    number.textContent = `${clip.trace_name} ${minus(clip.trace[i])}`;
    head.style.display = "inline";
    head.setAttribute("x1", clip.x[i]);
    head.setAttribute("x2", clip.x[i]);
  };
  const film = card.querySelector(".film"), toggle = film.querySelector("button");
  const told = () => {
    film.classList.toggle("plays", !video.paused);
    toggle.textContent = video.paused ? "\\u25b6" : "\\u275a\\u275a";
    toggle.setAttribute("aria-label", video.paused ? "Play" : "Pause");
  };
  video.controls = toggle.hidden = false;
  film.addEventListener("click", () => video.paused ? video.play() : video.pause());
  video.addEventListener("play", told);
  video.addEventListener("pause", told);
  told();
  const follow = () => { show(); if (!video.paused) requestAnimationFrame(follow); };
  video.addEventListener("play", follow);
  video.addEventListener("seeked", show);
}
const videos = [...document.querySelectorAll("video")];
const all = document.querySelector(".play button");
if (all) {
  const name = () => {
    all.textContent = videos.some((video) => !video.paused) ? "Pause all" : "Play all";
  };
  all.addEventListener("click", () => {
    const stop = videos.some((video) => !video.paused);
    for (const video of videos) stop ? video.pause() : video.play();
  });
  for (const video of videos) {
    video.addEventListener("play", name);
    video.addEventListener("pause", name);
  }
}
"""


def write_highlights(
    recording: Recording, clips: Sequence[Clip], path: Path, notes: Sequence[str] = ()
) -> int:
    """Write clips as a page that opens from disk without a network, light or dark as one reads.

    Args:
        recording: that the clips are of.
        clips: in the order of their kinds.
        path: file to write.
        notes: what could not be shown, a sentence each.

    Returns:
        Bytes of the page.
    """
    cards = "".join(_card(recording, clip) for clip in clips)
    body = f'{_header(recording, clips, notes)}<main class="cards">{cards}</main>'
    modes = {
        mode: "".join(f"--{name}: {colour}; " for name, colour in ink(mode).items())
        for mode in ("light", "dark")
    }
    title = html.escape(f"Highlights of {_name(recording)}")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE % modes}</style></head>"
        f"<body>{body}<script>{_SCRIPT}</script></body></html>\n"
    )
    write_text(path, page)
    return len(page.encode())


def _name(recording: Recording) -> str:
    return recording.path.resolve().name


def place(moment: Moment, recording: Recording) -> str:
    """A moment in the form ``REC:EPISODE:STEP``."""
    return f"{recording.path}:{moment.episode}:{moment.step}"


def commands(moment: Moment, recording: Recording) -> list[str]:
    """Commands that look further: the panel, and the query that found the moment."""
    path = str(recording.path)
    return [
        shlex.join(["policyscope", "panel", path]),
        shlex.join(["policyscope", "find", path, moment.query]),
    ]


def _header(recording: Recording, clips: Sequence[Clip], notes: Sequence[str]) -> str:
    table = recording.episodes
    steps = int(table["steps"].sum())
    facts = [recording.env.id, f"acting {recording.act}", f"{len(table):,} episodes",
             f"{steps:,} steps"]  # fmt: skip
    if table["return"].notna().any():
        facts.append(f"mean return {_number(float(table['return'].mean()))}")
    films = any(clip.video for clip in clips)
    told = f"{len(clips)} moments, at most one an episode and kind; no two share a step. "
    if films:
        told += "A coloured frame marks the moment itself. "
    told += "The dashed line below is the moment; the curve is the number named beside it."
    button = '<p class="play"><button type="button">Play all</button></p>' if films else ""
    return (
        f"<header><h1>Highlights of {html.escape(_name(recording))}</h1>"
        f"<p>{html.escape(' · '.join(facts))}</p><p>{html.escape(told)}</p>"
        + "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
        + _key(clips)
        + button
        + "</header>"
    )


def _key(clips: Sequence[Clip]) -> str:
    """What the kinds that occur mean."""
    kinds = dict.fromkeys(clip.moment.kind for clip in clips)
    lines = "".join(
        f"<dt>{html.escape(KINDS[kind].title)}</dt><dd>{html.escape(KINDS[kind].about)}</dd>"
        for kind in kinds
    )
    return f"<dl>{lines}</dl>"


def _card(recording: Recording, clip: Clip) -> str:
    moment = clip.moment
    at = moment.step - moment.first
    x = _across(len(clip.actions))
    known = [float(v) if np.isfinite(v) else None for v in clip.trace]
    values = {"first": moment.first, "fps": clip.fps, "actions": clip.actions, "x": x,
              "trace_name": clip.trace_name, "trace": known}  # fmt: skip
    data = f' data-clip="{html.escape(json.dumps(values))}"' if clip.video else ""
    number = ""
    if len(clip.trace) and np.isfinite(clip.trace[at]):
        number = f"{clip.trace_name} {_number(float(clip.trace[at]))}"
    now = f"step {moment.step} · {clip.actions[at]}"
    where = place(moment, recording)
    meta = [f"ended: {moment.outcome.replace('_', ' ') or 'cut'}"]
    if np.isfinite(moment.total):
        meta.append(f"return {_number(moment.total)}")
    meta.append(f"steps {moment.first}–{moment.last}")
    anchor = f"{moment.kind}-{moment.episode}-{moment.step}"
    return (
        f'<article id="{anchor}"{data} data-kind="{moment.kind}">{_picture(clip)}'
        f'<div class="told"><div class="now"><span>{html.escape(now)}</span>'
        f"<span>{html.escape(number)}</span></div>{_curve(clip, x, at)}"
        f'<div class="why"><span class="kind">{html.escape(KINDS[moment.kind].title)}</span> '
        f"{html.escape(moment.why)}</div>"
        f'<div class="meta"><a class="place" href="#{anchor}">{html.escape(where)}</a>'
        + "".join(f"<span>{html.escape(text)}</span>" for text in meta)
        + f"</div>{_further(recording, moment)}</div></article>"
    )


def _further(recording: Recording, moment: Moment) -> str:
    panel, find = commands(moment, recording)
    address = f"#/recordings/{_name(recording)}/episodes/{moment.episode}?step={moment.step}"
    return (
        "<details><summary>Look further</summary>"
        f"<p>In the panel, at {html.escape(address)}</p><code>{html.escape(panel)}</code>"
        f"<p>Moments like this one</p><code>{html.escape(find)}</code></details>"
    )


def _picture(clip: Clip) -> str:
    if not clip.video:
        return _plot(clip)
    film, still = (base64.b64encode(data).decode() for data in (clip.video, clip.poster))
    wide, high = clip.size
    label = html.escape(f"{clip.moment.why} Steps {clip.moment.first} to {clip.moment.last}.")
    return (
        '<div class="film"><video controls muted loop playsinline preload="metadata" '
        f'width="{wide}" height="{high}" '
        f'style="height:auto" aria-label="{label}" poster="data:image/jpeg;base64,{still}" '
        f'src="data:video/mp4;base64,{film}"></video>'
        '<button type="button" hidden></button></div>'
    )


def _plot(clip: Clip) -> str:
    """Numbers over the clip's steps where there are no pictures, on one scale."""
    x = _across(len(clip.actions))
    every = np.concatenate([*clip.lines.values(), np.zeros(0)])
    paths, keys = [], []
    for (name, values), colour in zip(clip.lines.items(), HEAD_COLOURS, strict=False):
        d = _path(x, values, 200, every)
        paths.append(f'<path d="{d}" style="fill:none;stroke:{colour};stroke-width:2"/>')
        keys.append(f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>')
    at = x[clip.moment.step - clip.moment.first]
    paths.append(
        f'<line x1="{at}" x2="{at}" y1="0" y2="200" '
        'style="stroke:var(--mark);stroke-width:1.5;stroke-dasharray:3 3"/>'
    )
    low, high = (
        (_number(float(f(every))) for f in (np.nanmin, np.nanmax)) if len(every) else ("", "")
    )
    label = html.escape(f"{', '.join(clip.lines)} from {low} to {high}")
    return (
        f'<svg class="lines" viewBox="-12 -12 {_WIDE + 24} 224" role="img" '
        f'aria-label="{label}">{"".join(paths)}</svg>'
        f'<div class="key" style="padding:0 14px">{"".join(keys)}'
        f"<span>from {low} to {high}</span></div>"
    )


def _curve(clip: Clip, x: list[float], at: int) -> str:
    if not len(clip.trace):
        return ""
    d = _path(x, clip.trace, _HIGH, clip.trace)
    known = clip.trace[np.isfinite(clip.trace)]
    label = f"{clip.trace_name} from {_number(known.min())} to {_number(known.max())}"
    return (
        f'<svg class="curve" viewBox="0 -4 {_WIDE} {_HIGH + 8}" preserveAspectRatio="none" '
        f'role="img" aria-label="{html.escape(label)}"><path d="{d}"/>'
        f'<line class="moment" x1="{x[at]}" x2="{x[at]}" y1="-4" y2="{_HIGH + 4}"/>'
        f'<line class="head" style="display:none" y1="-4" y2="{_HIGH + 4}"/></svg>'
    )


def _across(steps: int) -> list[float]:
    return [round(_WIDE * (t + 0.5) / steps, 1) for t in range(steps)]


def _path(x: list[float], values: np.ndarray, high: float, scale: np.ndarray) -> str:
    """A line through what is known, broken where nothing is."""
    known = scale[np.isfinite(scale)]
    low = float(known.min()) if len(known) else 0.0
    span = (float(known.max()) - low if len(known) else 0.0) or 1.0
    parts, pen = [], "M"
    for place, value in zip(x, values.tolist(), strict=True):
        if not np.isfinite(value):
            pen = "M"
            continue
        parts.append(f"{pen}{place} {high * (1 - (value - low) / span):.1f}")
        pen = "L"
    return "".join(parts)


def _number(value: float) -> str:
    return rounded(value).replace("-", "\N{MINUS SIGN}")
