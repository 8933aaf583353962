"""Keeps a wheel from being built without the panel's page."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src/policyscope/panel/static")
FILES = ("index.html", "panel.js", "panel.css")


class PageHook(BuildHookInterface):
    """Looks for the built page; an editable install does without, for it is built after it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refuse a wheel or source archive that would lack the page."""
        lacking = [name for name in FILES if not (Path(self.root) / STATIC / name).is_file()]
        if lacking and version != "editable":
            raise SystemExit(f"error: {STATIC} lacks {', '.join(lacking)}; first run: make setup")
