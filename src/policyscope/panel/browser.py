"""Finding a Chromium to look at pages with; ``python -m policyscope.panel.browser`` names it."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from policyscope.core.errors import MissingPart, PolicyscopeError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

_INSTALLED = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium() -> "Iterator[Browser]":
    """A headless Chromium: the system's, else the one that playwright installed.

    It runs without its sandbox, which containers lack: open only pages you wrote.

    Raises:
        MissingPart: playwright is not installed.
        PolicyscopeError: there is no Chromium, or it does not start.
    """
    with _playwright() as playwright:
        from playwright.sync_api import Error

        path = _path(playwright)
        try:
            browser = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        except Error as error:
            cause = error.message.splitlines()[0]
            raise PolicyscopeError(f"{path} does not start: {cause}") from None
        try:
            yield browser
        finally:
            browser.close()


def installed() -> str | None:
    """Path of the system's Chromium, None without."""
    return next((path for name in _INSTALLED if (path := shutil.which(name))), None)


@contextmanager
def _playwright() -> "Iterator[Playwright]":
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise MissingPart("playwright", "dev") from None
    with sync_playwright() as playwright:
        yield playwright


def _path(playwright: "Playwright") -> str:
    """Path of the Chromium to use."""
    own = playwright.chromium.executable_path
    path = installed() or (own if Path(own).is_file() else None)
    if path is None:
        raise PolicyscopeError(
            "no Chromium was found; install one with: playwright install chromium"
        )
    return path


def main() -> int:
    """Put out the path of the Chromium that is used; 2 without one."""
    try:
        with _playwright() as playwright:
            sys.stdout.write(f"{_path(playwright)}\n")
    except PolicyscopeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
