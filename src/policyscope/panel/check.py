"""Looks at an exported page in a real browser: ``python -m policyscope.panel.check PAGE``."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.panel.browser import chromium
from policyscope.panel.serve import LOOPBACK, PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# What the page shows now: label, vehicles, widths of the attention lines, value tracks.
_LOOK = """() => {
  const box = (node) => node.getBoundingClientRect();
  const scene = document.getElementById("scene");
  return {
    label: document.getElementById("step-label").textContent,
    last: Number(document.getElementById("slider").max),
    scene: [...scene.querySelectorAll(".actor")].map((node) => node.outerHTML).join(""),
    vehicles: [...scene.querySelectorAll(".actor .body")].filter((node) =>
      box(node).width > 1).length,
    lines: [...scene.querySelectorAll("line.attention")].filter((node) =>
      parseFloat(getComputedStyle(node).strokeWidth) > 0 && box(node).width + box(node).height > 1
    ).length,
    tracks: [...document.querySelectorAll(".lane.values .track")].filter((node) =>
      node.points.numberOfItems > 0 && box(node).width > 1).length,
  };
}"""


@dataclass
class Seen:
    """What a browser saw on a page.

    Args:
        vehicles: bodies drawn at the first step.
        lines: most attention lines at one step of the first episode.
        tracks: lines of values over time.
        steps: steps gone through.
        moved: whether another step shows another scene and another label.
        problems: what is wrong, in words.
    """

    vehicles: int = 0
    lines: int = 0
    tracks: int = 0
    steps: int = 0
    moved: bool = False
    problems: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Add what the numbers tell to the problems."""
        for count, what in (
            (self.vehicles, "no vehicle is drawn"),
            (self.lines, "no attention line is drawn at any step"),
            (self.tracks, "no track of values is drawn"),
            (self.moved, "going to another step changes nothing"),
        ):
            if not count:
                self.problems.append(what)

    def __str__(self) -> str:
        text = (
            f"{self.vehicles} vehicles, up to {self.lines} attention lines, {self.tracks} value "
            f"tracks, {self.steps} steps gone through"
        )
        return text + "".join(f"; {problem}" for problem in self.problems)


def check_page(browser: "Browser", address: str, screenshot: Path | None = None) -> Seen:
    """Open a page and go through its first episode.

    Args:
        browser: where to open it.
        address: URL, or path of an HTML file.
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
    def console(message: Any) -> None:
        if message.type == "error":
            seen.problems.append(f"console error: {message.text}")

    def request(asked: Any) -> None:
        if asked.url.partition("#")[0] != url.partition("#")[0] and "data:" not in asked.url[:5]:
            seen.problems.append(f"asks for {asked.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: seen.problems.append(f"script error: {error}"))
    page.on("request", request)


def _open(page: "Page", url: str) -> None:
    from playwright.sync_api import Error, TimeoutError

    try:
        page.goto(url)
        page.wait_for_selector("body.ready", timeout=10_000, state="attached")
    except TimeoutError:
        raise PolicyscopeError(f"{url} does not show a recording within 10 s") from None
    except Error as error:
        raise PolicyscopeError(f"{url} cannot be opened: {error.message.splitlines()[0]}") from None


def _walk(page: "Page", seen: Seen, screenshot: Path | None) -> None:
    page.keyboard.press("Home")
    first = page.evaluate(_LOOK)
    seen.vehicles, seen.lines, seen.tracks = first["vehicles"], first["lines"], first["tracks"]
    before = first
    for step in range(1, first["last"] + 1):
        page.keyboard.press("ArrowRight")
        now = page.evaluate(_LOOK)
        changed = now["label"] != before["label"] and now["scene"] != before["scene"]
        seen.moved, seen.steps = seen.moved or changed, step
        seen.lines = max(seen.lines, now["lines"])
        before = now
        if screenshot and step == (first["last"] + 1) // 2:
            page.screenshot(path=str(screenshot))
    seen.judge()


@dataclass(frozen=True)
class Args:
    """Flags of the check."""

    page: Annotated[str, tyro.conf.Positional]
    """URL or HTML file of an exported page."""
    screenshot: Path | None = None
    """PNG to write."""
    serve: bool = False
    """Look at the file once more as it is served on a free port of 127.0.0.1."""


@contextmanager
def served(page: str) -> Iterator[str]:
    """Serve a page in a thread while the block runs.

    Args:
        page: HTML file.

    Yields:
        Its address.

    Raises:
        BadFile: no such file.
    """
    if not Path(page).is_file():
        raise BadFile(page, "no such page", "give a file to --serve")
    with PageServer(Path(page), 0) as server:
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.port}/"
        finally:
            server.stop()
            thread.join()


def main(argv: Sequence[str] | None = None) -> int:
    """Check a page; 0 if all is there, 1 if something is missing, 2 if it cannot be opened."""
    args = tyro.cli(Args, args=argv, prog="python -m policyscope.panel.check")
    try:
        with chromium() as browser:
            looks = [check_page(browser, args.page, args.screenshot)]
            if args.serve:
                with served(args.page) as address:
                    looks.append(check_page(browser, address))
    except PolicyscopeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    for seen, way in zip(looks, ("", "served, "), strict=False):
        sys.stdout.write(f"{'FAILED' if seen.problems else 'ok'}: {way}{seen}\n")
    return 1 if any(seen.problems for seen in looks) else 0


if __name__ == "__main__":
    sys.exit(main())
