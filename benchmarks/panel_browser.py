"""What ``panel.py`` does in the browser: times are taken in the page, when a frame is painted.

A time ends in the first task behind the frame that shows what was waited for: its scripts, style,
layout and paint are done, and what the compositor still does with the pixels is not counted. A
frame comes every 16.7 ms, so that even a page that does nothing takes up to that long.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import plotly

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SIZE = {"width": 1280, "height": 800}

BENCH = """window.bench = (() => {
  const painted = (holds, limit = 30000) => new Promise((done, fail) => {
    const last = performance.now() + limit;
    const look = () => requestAnimationFrame(() => {
      const shown = holds();
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        const now = performance.now();
        if (shown) done(now);
        else if (now < last) look();
        else fail(new Error(`not painted within ${limit} ms: ${holds}`));
      };
      port2.postMessage(0);
    });
    look();
  });
  const act = async (action, holds) => {
    const begin = performance.now();
    action();
    return (await painted(holds)) - begin;
  };
  const rest = () => new Promise((done) => setTimeout(done, 5 + 25 * Math.random()));
  const one = (selector) => document.querySelector(selector);
  const text = (selector) => one(selector)?.textContent ?? "";
  const key = (name) => document.body.dispatchEvent(
    new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));

  const label = () => text("[data-step-label]");
  const settled = () => one('[data-view="timeline"]:not(.busy) [data-plot] canvas') !== null;
  const entered = (k) => text(".moment p").trimEnd().endsWith(`seed ${k}`) && settled();
  const scrub = async () => {
    const times = [];
    const [at, last] = label().match(/step (\\d+) of (\\d+)/).slice(1).map(Number);
    for (let step = at; step < last; step += 1) {
      const before = label();
      times.push(await act(() => key("ArrowRight"), () => label() !== before));
      await rest();
    }
    return times;
  };
  const explained = (step) => one('[data-view="explain"]')?.dataset.of === String(step);
  const explain = async (steps) => {
    const times = [];
    const [at, last] = label().match(/step (\\d+) of (\\d+)/).slice(1).map(Number);
    for (let step = at + 1; step <= Math.min(last, at + steps); step += 1) {
      times.push(await act(() => key("ArrowRight"), () => explained(step)));
      await rest();
    }
    return times;
  };
  const enter = (k) => act(() => key("ArrowDown"), () => entered(k));

  // Real input: from the time of the event until the answer's Python lines are painted.
  let hit = null;
  const python = () => text(".live .python");
  const hear = (type) => new Promise((done, fail) => {
    const before = python();
    const first = (event) => {
      removeEventListener(type, first, true);
      painted(() => python() !== before).then((now) => done(now - event.timeStamp), fail);
    };
    addEventListener(type, first, true);
  });
  const armed = (type) => void (hit = hear(type));
  const answered = () => hit;
  return { painted, act, one, text, settled, scrub, explained, explain, enter, armed, answered };
})();"""

# The same tracks and the same band at the step, by plotly.js; one call an episode, one a step.
PEER = """
const drawn = (steps) => ({ type: "rect", x0: steps, x1: steps + 1, y0: 0, y1: 1, yref: "paper",
  fillcolor: "#2563eb", opacity: 0.13, line: { width: 0 } });
const room = document.body.appendChild(document.createElement("div"));
window.peer = async (tracks) => {
  const x = tracks[0].values.map((_, t) => t + 0.5);
  const data = tracks.map(({ name, values }) => ({ x, y: values, name, mode: "lines" }));
  const size = { width: 600, height: 190, margin: { l: 40, r: 10, t: 10, b: 30 } };
  await Plotly.react(room, data, { ...size, shapes: [drawn(0)] });
  const times = [];
  for (let step = 1; step < x.length; step += 1) {
    await new Promise((done) => setTimeout(done, 5 + 25 * Math.random()));
    const begin = performance.now();
    let moved = false;
    Plotly.relayout(room, { shapes: [drawn(step)] }).then(() => (moved = true));
    times.push((await bench.painted(() => moved)) - begin);
  }
  return times;
};"""

SORT = """() => bench.act(
  () => bench.one("thead th:nth-child(5) button").click(),
  () => bench.one("th[aria-sort=ascending]")?.textContent.startsWith("return"))"""
FILTER = """() => bench.act(
  () => {
    const field = bench.one("input[type=search]");
    field.value = "steps>=40";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  },
  () => bench.text(".filter p").includes(" of "))"""

HEAP = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")


def percentile(times: Sequence[float]) -> float:
    """The 95th percentile; of fewer than 20 times the largest."""
    if len(times) < 20:
        return max(times)
    return statistics.quantiles(times, n=20, method="inclusive")[18]


@contextmanager
def page_at(browser: Any, address: str) -> Iterator[Any]:
    """A page in a browser context of its own, as soon as the address begins to load."""
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.add_init_script(BENCH)
        page.goto(address, wait_until="commit")
        yield page
    finally:
        context.close()


def painted(page: Any, holds: str) -> float:
    """Milliseconds since the navigation began until a frame was painted at which this holds."""
    return float(page.evaluate(f"() => bench.painted(() => {holds})"))


def first_paint(browser: Any, address: str) -> dict[str, float]:
    """Milliseconds until first content, the view with its data, and all tracks are painted."""
    with page_at(browser, address) as page:
        view = painted(page, "document.body?.dataset.ready === 'true'")
        tracks = painted(page, "bench.settled()")
        content = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        return {"content": page.evaluate(content), "view": view, "tracks": tracks}


def scrub(
    browser: Any, base: str, rec: str, episodes: int
) -> tuple[list[float], list[float], list[float]]:
    """Go through the steps of episodes, in turns with plotly.js on the same tracks.

    Returns:
        Milliseconds of a step of ours and of plotly's, and of going to the next episode.
    """
    ours: list[float] = []
    peers: list[float] = []
    enters: list[float] = []
    with (
        page_at(browser, f"{base}#/recordings/{rec}/episodes/0") as page,
        page_at(browser, "about:blank") as peer,
    ):
        peer.add_script_tag(path=str(PLOTLY))
        peer.add_script_tag(content=PEER)
        painted(page, "bench.settled()")
        shown = page.evaluate(f"async () => (await fetch('/api/recordings/{rec}')).json()")
        names = "&".join(f"name={t['name']}" for t in shown["tracks"] if t["shown"])
        for k in range(episodes):
            tracks = f"/api/recordings/{rec}/episodes/{k}/tracks?{names}"
            values = page.evaluate("async (path) => (await fetch(path)).json()", tracks)
            for turn in ("peer", "ours") if k % 2 else ("ours", "peer"):
                if turn == "ours":
                    _to_front(page)
                    ours += page.evaluate("() => bench.scrub()")
                else:
                    _to_front(peer)
                    peers += peer.evaluate("(tracks) => peer(tracks)", values)
            _to_front(page)
            enters.append(page.evaluate("(k) => bench.enter(k)", k + 1))
    return ours, peers, enters


def explain(
    browser: Any, base: str, rec: str, target: str, episodes: int, steps: int
) -> list[float]:
    """Go through the steps of episodes while each is explained by integrated gradients.

    Returns:
        Milliseconds from the key until bars and overlay of the step were painted; its neighbour
        may have been asked for meanwhile, as for any user.
    """
    times: list[float] = []
    for k in range(episodes):
        asked = f"step=0&tab=explain&explain=integrated_gradients,preprocess,{target}"
        with page_at(browser, f"{base}#/recordings/{rec}/episodes/{k}?{asked}") as page:
            painted(page, "bench.settled() && bench.explained(0)")
            times += page.evaluate("(steps) => bench.explain(steps)", steps)
    return times


def _to_front(page: Any) -> None:
    """Show a page; its first frames, drawn anew, are nobody's time."""
    page.bring_to_front()
    for _ in range(3):
        painted(page, "true")


def live(browser: Any, base: str, rec: str, changes: int) -> tuple[list[float], list[float]]:
    """Move a vehicle by the mouse, then change a number of the observation by the keyboard.

    Returns:
        Milliseconds from each event until the answer to it was painted.
    """
    address = f"{base}#/recordings/{rec}/episodes/3?step=2&live=1"
    with page_at(browser, address) as page:
        painted(page, "bench.settled() && bench.text('.live .took').endsWith('ms')")
        moved = [_answer(page, "pointermove", step) for step in _dragged(page, changes)]
        page.mouse.up()
        page.focus('.live section[aria-label="observation"] tbody tr:nth-child(2) td input')

        def press() -> None:
            page.keyboard.press("ArrowUp")

        typed = [_answer(page, "keydown", press) for _ in range(changes)]
    return moved, typed


def _answer(page: Any, event: str, cause: Any) -> float:
    page.evaluate("(event) => bench.armed(event)", event)
    cause()
    return float(page.evaluate("() => bench.answered()"))


def _dragged(page: Any, moves: int) -> Iterator[Any]:
    """Moves of the mouse that drag a vehicle to and fro; the first ones begin the drag."""
    box = page.locator('.actor.movable:not([data-identity="0"]) .body').first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(moves):
        far = 6 + i % 20
        yield lambda far=far: page.mouse.move(x + far, y + far / 2)


def views(browser: Any, base: str, rec: str, res: str, site: str) -> dict[str, float]:
    """Milliseconds until each view of a long recording is painted, each in a fresh context."""
    home = f"{base}#/recordings/{rec}"
    rows = "bench.one('table[aria-label=episodes] tbody tr.episode')"
    found: dict[str, float] = {}

    def opened(name: str, address: str, holds: str) -> None:
        with page_at(browser, address) as page:
            found[name] = painted(page, holds)

    ready = "document.body?.dataset.ready === 'true'"
    opened("library", base, f"{ready} && bench.one('main table tbody tr')")
    with page_at(browser, home) as page:
        found["recording"] = painted(page, f"{ready} && {rows}")
        found["sort"], found["filter"] = page.evaluate(SORT), page.evaluate(FILTER)
    opened("episode", f"{home}/episodes/7", "bench.settled()")
    heat = "bench.settled() && bench.one('[data-heat] canvas')"
    opened("heat map", f"{home}/episodes/8?site={site}", heat)
    opened("map of steps", f"{home}/steps", "bench.one('.frame[data-drawn=true]')")
    opened("result", f"{base}#/results/{res}", "bench.one('.figure[data-drawn=true]')")
    return found


def used(page: Any, session: Any) -> dict[str, float]:
    """Memory of a page in MB after garbage is collected, and what it holds: nodes, listeners."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return {
        "page MB": sum(heap.get(part, 0) for part in HEAP) / 2**20,
        "nodes": metrics["Nodes"],
        "listeners": metrics["JSEventListeners"],
    }


def walk(browser: Any, address: str, episodes: int, server: Any) -> list[dict[str, float]]:
    """Memory of page and server while scrubbing through episodes: after each sixth of them.

    Args:
        browser: where to open the address.
        address: of episode 0.
        episodes: how many to go through.
        server: gives the server's memory in MB.
    """
    readings = []
    with page_at(browser, address) as page:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        painted(page, "bench.settled()")
        for k in range(episodes):
            page.evaluate("() => bench.scrub()")
            page.evaluate("(k) => bench.enter(k)", k + 1)
            if (k + 1) % max(episodes // 6, 1) == 0:
                readings.append({**used(page, session), "server MB": server()})
    return readings
