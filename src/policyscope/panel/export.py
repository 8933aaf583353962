"""Writes a recording as one HTML file that needs nothing else and opens from disk."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import atomic_file
from policyscope.panel.application import application
from policyscope.panel.held import Held, hold, part
from policyscope.panel.inprocess import in_process
from policyscope.panel.pages import STATIC, check_built
from policyscope.recordings.read import open_recording

MOST_EPISODES = 100
_SCRIPT = re.compile(r'<script [^>]*src="/static/panel\.js"[^>]*></script>')
_STYLE = re.compile(r'<link [^>]*href="/static/panel\.css"[^>]*>')
_CHARSET = re.compile(r'<meta charset="utf-8" */?>')


@dataclass(frozen=True)
class Written:
    """A page that was written.

    Args:
        path: its file.
        bytes: its size.
        episodes: how many episodes it shows.
        of: how many the recording has.
        left_out: what it does not hold, and why.
    """

    path: Path
    bytes: int
    episodes: int
    of: int
    left_out: list[str]


def export_page(
    recording: str | Path,
    path: str | Path,
    episodes: Sequence[int] | None = None,
    sites: Sequence[str] = (),
    tracks: Sequence[str] = (),
) -> Written:
    """Write the page of a recording: the panel's own, with the server's answers in it.

    Args:
        recording: folder of a recording.
        path: HTML file to write.
        episodes: numbers of the episodes to show; default is the first 100, or as many of them as
            a page can hold.
        sites: sites whose numbers it holds however large they are.
        tracks: targets to show over time beside the recording's own tracks.

    Raises:
        UnknownName: no such site was recorded.
        PolicyscopeError: no such episode, one too large for a page, a track that is no target, or
            the page is not built.
        BadFile: no recording, or the file cannot be written.

    Cost: about 0.1 s and 40 kB of page for each highway episode.

    Example:
        >>> export_page("runs/rec", "page.html").episodes  # doctest: +SKIP
        100
    """
    check_built()
    folder, path = Path(recording), Path(path)
    there = [int(k) for k in open_recording(folder, True).episodes["episode"]]
    shown = there[:MOST_EPISODES] if episodes is None else list(episodes)
    for k in shown:
        if k not in there:
            count = f"it has {len(there)}, {there[0]} to {there[-1]}" if there else "it has none"
            raise PolicyscopeError(f"{folder}: no episode {k}; {count}")
    app = application(folder)
    rec = app.state.shelf.id_of(folder)
    with in_process(app) as ask:
        held = hold(ask, rec, shown, sites, tracks)
    if folder.is_absolute():
        held.values = _named(held.values, str(folder.parent).rstrip("/") + "/")
    start = f"#/recordings/{part(rec)}" + (f"/episodes/{shown[0]}" if shown else "")
    text = render_page(held, start).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as beside:
            beside.write_bytes(text)
    except OSError as error:
        cause = error.strerror or "the system refuses"
        raise BadFile(path, f"cannot be written: {cause}", "choose another --out") from None
    return Written(path, len(text), len(held.episodes), len(there), held.left_out)


def _named(values: Any, above: str) -> Any:
    """Answers whose lines to copy name the recording, not where it lies on this machine.

    Args:
        values: JSON values.
        above: the folder above the recording, with its last slash.
    """
    if isinstance(values, list):
        return [_named(value, above) for value in values]
    if not isinstance(values, dict):
        return values
    return {
        key: value.replace(above, "")
        if key in ("python", "command") and isinstance(value, str)
        else _named(value, above)
        for key, value in values.items()
    }


def render_page(held: Held, start: str) -> str:
    """The page as text: markup, style, script and answers in one.

    Its content security policy names the hashes of its own style and scripts and forbids all else,
    so the page can send or fetch nothing.

    Args:
        held: the answers.
        start: where the page begins when its address says nothing: ``#/recordings/...``.
    """
    style = (STATIC / "panel.css").read_text(encoding="utf-8")
    code = (STATIC / "panel.js").read_text(encoding="utf-8")
    style, code = style.replace("</", "<\\/"), _inside_script(code)
    begin = f"if (location.hash.length < 2) location.replace({_inside_script(json.dumps(start))});"
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src {_hash(style)}; "
        f"script-src {_hash(begin)} {_hash(code)}; base-uri 'none'; form-action 'none'"
    )
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'
    page = _put(page, _CHARSET, f'<meta charset="utf-8">\n    {meta}')
    page = _put(page, _STYLE, f"<style>{style}</style>")
    scripts = (
        f'<script type="application/json" id="held">{_json(held)}</script>\n'
        f'    <script>{begin}</script>\n    <script type="module">{code}</script>'
    )
    return _put(page, _SCRIPT, scripts)


def _put(page: str, place: re.Pattern[str], text: str) -> str:
    put, count = place.subn(lambda _: text, page)
    if count != 1:
        raise BadFile(STATIC / "index.html", f"lacks {place.pattern}", "build it: make setup")
    return put


def _inside_script(code: str) -> str:
    """A script that cannot end the element it stands in, nor open a comment in it."""
    code = re.sub(r"</(?=script)", r"<\\/", code, flags=re.IGNORECASE)
    return code.replace("<!--", "<\\!--")


def _json(held: Held) -> str:
    """JSON that cannot end the script element it stands in."""
    values = {
        "json": held.values,
        "bytes": {path: base64.b64encode(blob).decode() for path, blob in held.blobs.items()},
    }
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
