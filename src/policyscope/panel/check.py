"""Looks at the panel in a real browser: ``python -m policyscope.panel.check FOLDER PAGE ...``."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import tyro

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.panel.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MOST_STEPS = 40
OPENS_WITHIN_MS = 20_000
# What the page shows now. A canvas counts as drawn if any of its pixels is not empty.
_LOOK = """() => {
  const box = (node) => node.getBoundingClientRect();
  const seen = (node) => box(node).width + box(node).height > 1;
  const scene = document.querySelector('svg[data-view="scene"]');
  const all = (selector) => scene ? [...scene.querySelectorAll(selector)].filter(seen) : [];
  const drawn = (canvas) => {
    if (!canvas.width || !canvas.height || !seen(canvas)) return false;
    const pen = canvas.getContext("2d");
    return pen !== null &&
      pen.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
  };
  const frame = document.querySelector('canvas[data-view="frame"]');
  return {
    label: document.querySelector("[data-step-label]")?.textContent ?? "",
    scene: all(".actor[data-identity]").map((node) => node.outerHTML).join("")
      + (frame ? frame.toDataURL() : ""),
    frames: frame && drawn(frame) ? 1 : 0,
    vehicles: all(".actor[data-identity]").length,
    lines: all("line.attention").filter((node) =>
      parseFloat(getComputedStyle(node).strokeWidth) > 0).length,
    tracks: [...document.querySelectorAll('[data-view="timeline"] canvas')].filter(drawn).length,
  };
}"""


@dataclass
class Seen:
    """What a browser saw on a page.

    Args:
        vehicles: bodies drawn at the first step, where the scene is drawn from objects.
        lines: most attention lines at one step.
        frames: most pictures drawn at one step, where the agent sees pixels.
        tracks: plots of the timeline that are drawn.
        steps: steps gone through.
        moved: whether another step shows another scene and another label.
        problems: what is wrong, in words.
    """

    vehicles: int = 0
    lines: int = 0
    frames: int = 0
    tracks: int = 0
    steps: int = 0
    moved: bool = False
    problems: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Add what the numbers tell to the problems."""
        for count, what in (
            (self.vehicles or self.frames, "no vehicle is drawn"),
            (self.lines or self.frames, "no attention line is drawn at any step"),
            (self.tracks, "no track of values is drawn"),
            (self.moved, "going to another step changes nothing"),
        ):
            if not count:
                self.problems.append(what)

    def __str__(self) -> str:
        scene = f"{self.vehicles} vehicles, up to {self.lines} attention lines"
        if self.frames:
            scene = "a frame"
        text = f"{scene}, {self.tracks} plots over time, {self.steps} steps gone through"
        return text + "".join(f"; {problem}" for problem in self.problems)


def check_page(browser: "Browser", address: str, screenshot: Path | None = None) -> Seen:
    """Open an episode and go through it.

    Args:
        browser: where to open it.
        address: URL of an episode, or path of an exported page.
        screenshot: PNG to write of the middle of the episode, 1280 x 800.

    Raises:
        BadFile: no such file.
        PolicyscopeError: the page does not open.
    """
    url = address
    if "://" not in address:
        path = Path(address).resolve()
        if not path.is_file():
            raise BadFile(address, "no such page", "make it with: policyscope export REC")
        url = path.as_uri()
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    try:
        seen = Seen()
        _listen(page, url, seen)
        _open(page, url)
        if not seen.problems:
            _walk(page, seen, screenshot)
    finally:
        page.close()
    return seen


def _listen(page: "Page", url: str, seen: Seen) -> None:
    home = urlsplit(url)

    def console(message: Any) -> None:
        if message.type == "error":
            seen.problems.append(f"console error: {message.text}")

    def request(asked: Any) -> None:
        to = urlsplit(asked.url)
        if to.scheme in ("data", "blob"):
            return
        own = to[:3] == home[:3] if to.scheme == "file" else to[:2] == home[:2]
        if not own:
            seen.problems.append(f"asks for {asked.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: seen.problems.append(f"script error: {error}"))
    page.on("request", request)


def _open(page: "Page", url: str) -> None:
    from playwright.sync_api import Error, TimeoutError

    try:
        page.goto(url)
        page.wait_for_selector('body[data-ready="true"]', timeout=OPENS_WITHIN_MS, state="attached")
    except TimeoutError:
        raise PolicyscopeError(f"{url} shows no recording") from None
    except Error as error:
        raise PolicyscopeError(f"{url} cannot be opened: {error.message.splitlines()[0]}") from None


def _walk(page: "Page", seen: Seen, screenshot: Path | None) -> None:
    page.keyboard.press("Home")
    first = _settled(page, None)
    seen.vehicles, seen.lines, seen.tracks = first["vehicles"], first["lines"], first["tracks"]
    seen.frames = first["frames"]
    before = first
    for step in range(1, MOST_STEPS + 1):
        page.keyboard.press("ArrowRight")
        now = _settled(page, before["label"])
        if now["label"] == before["label"]:
            break
        seen.moved, seen.steps = seen.moved or now["scene"] != before["scene"], step
        seen.lines = max(seen.lines, now["lines"])
        seen.frames = max(seen.frames, now["frames"])  # the first may come late
        before = now
        if screenshot and step == 3:
            page.screenshot(path=str(screenshot))
    seen.judge()


def _settled(page: "Page", label: str | None) -> Any:
    """What is shown once it is drawn: at another label, where there is one."""
    from playwright.sync_api import TimeoutError

    if label is None:
        shown = "svg[data-view=scene] .actor, canvas[data-view=frame]"
        wanted, limit = f"() => document.querySelector('{shown}')", 3000
    else:
        wanted = "(old) => document.querySelector('[data-step-label]')?.textContent !== old"
        limit = 500
    with suppress(TimeoutError):  # the last step, or nothing is there: the numbers tell
        page.wait_for_function(wanted, arg=label, timeout=limit)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return page.evaluate(_LOOK)


@dataclass(frozen=True)
class Args:
    """Flags of the check."""

    pages: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders to serve, exported pages, or addresses of an episode."""
    screenshot: Path | None = None
    """PNG to write of the last of them."""


@contextmanager
def shown_at(place: str) -> Iterator[str]:
    """The address of an episode; a folder is served while the block runs.

    Args:
        place: folder with a recording, HTML file or URL.

    Raises:
        PolicyscopeError: the folder holds no recording.
    """
    if "://" in place or not Path(place).is_dir():
        yield place
        return
    from policyscope.panel.application import application
    from policyscope.panel.serve import served

    app = application(Path(place))
    recordings = app.state.shelf.found().recordings
    if not recordings:
        raise BadFile(place, "holds no recording", "make one with: policyscope record")
    with served(app) as address:
        yield f"{address}#/recordings/{next(iter(recordings))}/episodes/0"


def main(argv: Sequence[str] | None = None) -> int:
    """Check pages; 0 if all is there, 1 if something is missing, 2 if one cannot be opened."""
    args = tyro.cli(Args, args=argv, prog="python -m policyscope.panel.check")
    looks = []
    try:
        with chromium() as browser:
            for place in args.pages:
                shot = args.screenshot if place == args.pages[-1] else None
                with shown_at(place) as address:
                    looks.append(check_page(browser, address, shot))
    except PolicyscopeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    for place, seen in zip(args.pages, looks, strict=True):
        sys.stdout.write(f"{'FAILED' if seen.problems else 'ok'}: {place}: {seen}\n")
    return 1 if any(seen.problems for seen in looks) else 0


if __name__ == "__main__":
    sys.exit(main())
