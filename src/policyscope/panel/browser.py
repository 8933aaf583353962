"""Finding a Chromium to look at pages with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from policyscope.core.errors import MissingPart, PolicyscopeError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium() -> "Iterator[Browser]":
    """A headless Chromium: playwright's own where it is installed, else the system's.

    It runs without its sandbox, which containers lack: open only pages you wrote.

    Raises:
        MissingPart: playwright is not installed.
        PolicyscopeError: there is no Chromium, or it does not start.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        raise MissingPart("playwright", "dev") from None
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        path = str(own) if own.is_file() else installed()
        if path is None:
            raise PolicyscopeError(
                "no Chromium was found; install one with: playwright install chromium"
            )
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
