"""The main views at two sizes, light and dark: nothing scrolls sideways, is cut off or covered.

A text may end in an ellipsis where its ``title`` says it in full; the texts of ``WHOLE`` may not.
"""

import pytest

SIZES = {"1280x800": (1280, 800), "1920x1080": (1920, 1080)}
EPISODE = "#/recordings/rec/episodes/2?step=3"
# Where, and what is there once the view is drawn.
PLACES = {
    "library": ("#/", "[aria-label=results] a"),
    "recording": ("#/recordings/rec", "tr.episode img, tr.episode svg"),
    "episode": (EPISODE, "[data-value]"),
    "live": (EPISODE + "&live=1", ".live .took:text('ms')"),
    "sides": (
        "#/recordings/rec/episodes/1?beside=random,1,0&step=2",
        ".side:last-child [data-value]",
    ),
    "why not": (EPISODE + "&tab=why&why=2", "[data-verdict]"),
    "no scene": ("#/recordings/cartpole/episodes/1?step=2", "[data-value]"),
    "moments": ("#/recordings/rec?find=value+drops+>+0.5", "tr.moment"),
    "moments of an episode": (EPISODE + "&find=value+drops+>+0.5&tab=moments", "tr.moment"),
    "steps": ("#/recordings/rec/steps?x=q[SLOWER]&y=q[FASTER]", ".frame[data-drawn=true]"),
    "result": ("#/results/rec~explain~attention", ".figure[data-drawn=true]"),
}
WHOLE = "th, td.outcome, button, label, h1, h2, h3, [data-step-label], [data-value], [data-name]"

# What is wrong with the texts of the page, as one line each.
FAULTS = """(whole) => {
  const faults = [];
  const told = (node) => node.textContent.trim().replace(/\\s+/g, " ").slice(0, 40);
  const beyond = document.scrollingElement.scrollWidth - innerWidth;
  if (beyond > 0) faults.push(`the page scrolls sideways by ${beyond} px`);
  const items = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const nodes = [...document.querySelectorAll("main input, main select, header select")];
  while (walker.nextNode()) if (walker.currentNode.data.trim()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    const text = node.nodeType === Node.TEXT_NODE;
    const owner = text ? node.parentElement : node;
    if (owner.closest("svg, option, script, style, .offstage, .js-plotly-plot")) continue;
    if (!owner.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const range = document.createRange();
    if (text) range.selectNodeContents(node);
    for (const rect of text ? range.getClientRects() : [node.getBoundingClientRect()]) {
      const seen = { left: rect.left, right: rect.right, top: rect.top, bottom: rect.bottom };
      for (let box = owner; box && box !== document.documentElement; box = box.parentElement) {
        const style = getComputedStyle(box);
        if (style.overflowX === "visible" || (box === node && !text)) continue;
        const edge = box.getBoundingClientRect();
        const wide = seen.right > edge.right + 1 || seen.left < edge.left - 1;
        const high = seen.bottom > edge.bottom + 4 || seen.top < edge.top - 4;
        const hides = (way) => /hidden|clip/.test(style[way]);
        const dots = style.textOverflow === "ellipsis";
        const open = dots && owner.closest("[title]") && !owner.closest(whole);
        const over = wide || (dots && box.scrollWidth > box.clientWidth);
        if ((over && hides("overflowX") && !open) || (high && hides("overflowY")))
          faults.push(`cut off: ${told(text ? node : owner) || owner.tagName}`);
        seen.left = Math.max(seen.left, edge.left);
        seen.right = Math.min(seen.right, edge.right);
        seen.top = Math.max(seen.top, edge.top);
        seen.bottom = Math.min(seen.bottom, edge.bottom);
      }
      if (seen.right - seen.left > 1 && seen.bottom - seen.top > 1)
        items.push({ node, owner, ...seen });
    }
  }
  for (const box of document.querySelectorAll("main *")) {
    const scrolls = /auto|scroll/.test(getComputedStyle(box).overflowX);
    if (scrolls && box.scrollWidth > box.clientWidth + 1)
      faults.push(`scrolls sideways: ${box.tagName} ${box.className}`);
  }
  items.forEach((one, i) => items.slice(i + 1).forEach((other) => {
    if (one.owner.contains(other.owner) && one.node === one.owner) return;
    if (other.owner.contains(one.owner) && other.node === other.owner) return;
    const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    if (one.node !== other.node && across > 2 && down > 4)
      faults.push(`'${told(one.node)}' lies over '${told(other.node)}'`);
  }));
  return [...new Set(faults)];
}"""

# Ways in which a box, or one within it, has to be scrolled to see all of it.
INNER = """(box) => {
  const outer = document.querySelector(box);
  return [outer, ...outer.querySelectorAll("*")].flatMap((node) => {
    const { overflowX, overflowY } = getComputedStyle(node);
    const moves = (style) => /auto|scroll/.test(style);
    const down = moves(overflowY) && node.scrollHeight > node.clientHeight + 1;
    const across = moves(overflowX) && node.scrollWidth > node.clientWidth + 1;
    return [...(down ? ["down"] : []), ...(across ? ["across"] : [])];
  });
}"""


def settled(page, drawn: str) -> None:
    """Wait until nothing is on its way and the page has drawn what came."""
    page.wait_for_selector(drawn, state="attached")
    page.wait_for_load_state("networkidle")
    page.wait_for_function("!document.querySelector('[aria-busy=true], .busy')")
    page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PLACES)
def test_nothing_is_cut_covered_or_beyond_the_window(visitor, name, size):
    place, drawn = PLACES[name]
    visitor.page.set_viewport_size(dict(zip(("width", "height"), SIZES[size], strict=True)))
    page = visitor.goto(place)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "(scheme) => getComputedStyle(document.body).colorScheme.includes(scheme)", arg=scheme
        )
        settled(page, drawn)
        assert page.evaluate(FAULTS, WHOLE) == [], scheme


@pytest.mark.parametrize("name", ["episode", "live", "no scene", "why not"])
def test_the_smallest_window_cuts_no_timeline(visitor, name):
    visitor.page.set_viewport_size({"width": 1000, "height": 760})
    place, drawn = PLACES[name]
    page = visitor.goto(place)
    settled(page, drawn)
    assert page.evaluate("document.scrollingElement.scrollWidth") == 1000
    plots = page.locator("[data-view=timeline] [data-plot]")
    assert plots.count() > 3
    for box in plots.evaluate_all("nodes => nodes.map(n => n.getBoundingClientRect().toJSON())"):
        assert box["right"] <= 1000
        assert box["width"] > 120
    outcome = page.locator("tr.episode td.outcome")
    cut = "nodes => nodes.filter((n) => n.scrollWidth > n.clientWidth + 1).length"
    assert outcome.count() > 1
    assert outcome.evaluate_all(cut) == 0


def test_the_live_box_holds_all_without_scrolling(visitor):
    visitor.page.set_viewport_size({"width": 1280, "height": 800})
    change = '&scene=[["move",{"x":20,"y":-2},1]]'
    for place in (EPISODE + "&live=1", EPISODE + "&live=1" + change):
        page = visitor.goto(place)
        settled(page, ".live .took:text('ms')")
        assert page.evaluate(INNER, ".below .content") == [], place
        assert page.locator(".stage .picture").bounding_box()["height"] > 250
    page.set_viewport_size({"width": 1280, "height": 600})
    assert "down" in page.evaluate(INNER, ".below .content")


def test_faults_are_found(visitor):
    page = visitor.goto("#/recordings/cartpole/episodes/1")
    page.wait_for_selector("td.outcome")
    page.add_style_tag(
        content="td.outcome { max-width: 40px } nav table { width: 120px !important }"
    )
    assert "cut off: terminated" in page.evaluate(FAULTS, WHOLE)
    page.add_style_tag(content="[data-step-label] { margin-right: -90px; white-space: nowrap }")
    assert any("lies over 'terminated'" in fault for fault in page.evaluate(FAULTS, WHOLE))
    page.add_style_tag(content="html, body { overflow: visible } body { width: 1400px }")
    assert "the page scrolls sideways by 120 px" in page.evaluate(FAULTS, WHOLE)
