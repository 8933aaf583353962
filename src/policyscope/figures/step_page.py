"""Pages of what was asked about one recorded step."""

import html
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from policyscope.core.result import Result
from policyscope.figures.page import note, write_page


def write_step_page(
    result: Result, path: Path, words: str, parts: Sequence[go.Figure | str], mode: str = "light"
) -> None:
    """Write a page that opens from disk: words, what is drawn, the checks, the line of Python.

    Args:
        result: about one step; its parameters hold recording, episode and step.
        path: file to write.
        words: what was found.
        parts: figures and fragments of HTML.
        mode: light or dark.
    """
    told = result.parameters
    title = f"{told['recording']['name']}:{told['episode']}:{told['step']}"
    checks = "; ".join(str(check) for check in result.checks)
    python = (
        f'<h2>In Python</h2><pre style="white-space: pre-wrap">{html.escape(result.python)}</pre>'
        if result.python
        else ""
    )
    write_page(path, title, [note(words, title), *parts, note(checks), python], mode)
