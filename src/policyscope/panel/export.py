"""Writes a recording as one HTML file that needs nothing else and opens from disk."""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from policyscope.core.errors import BadFile
from policyscope.core.files import atomic_file
from policyscope.panel.bundle import script, static_folder
from policyscope.panel.page_data import page_data
from policyscope.panel.schema import PageData
from policyscope.recordings.read import Recording

MOST_EPISODES = 100


@dataclass(frozen=True)
class Written:
    """A page that was written.

    Args:
        path: its file.
        bytes: its size.
        episodes: how many episodes it shows.
        of: how many the recording has.
    """

    path: Path
    bytes: int
    episodes: int
    of: int


def export_page(
    recording: Recording,
    path: str | Path,
    episodes: Sequence[int] | None = None,
    *,
    name: str | None = None,
    site: str | None = None,
) -> Written:
    """Write the page of a recording.

    Args:
        recording: an open recording.
        path: HTML file to write.
        episodes: numbers of the episodes to show; default is the first 100.
        name: the recording as the user wrote it; default is the name of its folder.
        site: attention pattern to show; default is the first recorded one.

    Raises:
        UnknownName: no attention pattern of that name was recorded.
        PolicyscopeError: no such episode.
        BadFile: the file cannot be written.

    Cost: about 10 kB of page for each highway episode.

    Example:
        >>> from policyscope.recordings.read import open_recording
        >>> export_page(open_recording("runs/rec"), "page.html").episodes  # doctest: +SKIP
        100
    """
    path = Path(path)
    if episodes is None:
        episodes = [int(k) for k in recording.episodes["episode"][:MOST_EPISODES]]
    data = page_data(recording, episodes, name=name or recording.path.name, site=site)
    text = render_page(data).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as beside:
            beside.write_bytes(text)
    except OSError as error:
        cause = error.strerror or "the system refuses"
        raise BadFile(path, f"cannot be written: {cause}", "choose another --out") from None
    return Written(path, len(text), len(data.episodes), len(recording))


def render_page(data: PageData) -> str:
    """The page as text: markup, style, script and data in one.

    Its content security policy names the hashes of its own style and script and forbids all else,
    so the page can send or fetch nothing.

    Args:
        data: what to show.
    """
    style = (static_folder() / "page.css").read_text(encoding="utf-8")
    code = script()
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(code)}; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": html.escape(f"{data.agent} on {data.env['id']}"),
        "style": style,
        "data": _json(data),
        "script": code,
    }
    page = (static_folder() / "page.html").read_text(encoding="utf-8")
    for key, text in parts.items():
        before, mark, after = page.partition(f"<!--{key}-->")
        assert mark, f"page.html has no place for {key}"
        page = before + text + after
    return page


def _json(data: PageData) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data.to_json(), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
