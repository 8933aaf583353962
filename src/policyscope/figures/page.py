"""Several figures and tables as one self-contained HTML page."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

import plotly.graph_objects as go

from policyscope.figures.theme import ink

_STYLE = """
body {{ font: 14px/1.5 Inter, 'Helvetica Neue', Arial, sans-serif; background: {paper};
  color: {text}; max-width: 1180px; margin: 24px auto; padding: 0 16px; }}
h2 {{ font-size: 18px; font-weight: 500; margin: 32px 0 8px; }}
p {{ color: {soft}; max-width: 80ch; }}
table {{ border-collapse: collapse; font-size: 12.5px; width: 100%; }}
th {{ text-align: left; font-weight: 600; border-bottom: 1px solid {zero}; padding: 4px 10px; }}
td {{ border-bottom: 1px solid {grid}; padding: 4px 10px; font-variant-numeric: tabular-nums;
  white-space: nowrap; }}
td:first-child {{ white-space: normal; }}
.plot {{ overflow-x: auto; }}
"""


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """A fragment of HTML: a titled table; all text is escaped."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    below = f"<p>{html.escape(note)}</p>" if note else ""
    return f"<h2>{html.escape(title)}</h2>{below}<table><tr>{top}</tr>{body}</table>"


def note(text: str, title: str = "") -> str:
    """A fragment of HTML: a paragraph under an optional title; all text is escaped."""
    above = f"<h2>{html.escape(title)}</h2>" if title else ""
    return f"{above}<p>{html.escape(text)}</p>"


def code(text: str, title: str = "") -> str:
    """A fragment of HTML: lines of code under an optional title; all text is escaped."""
    above = f"<h2>{html.escape(title)}</h2>" if title else ""
    return f"{above}<pre>{html.escape(text)}</pre>"


def write_page(
    path: Path, title: str, parts: Iterable[go.Figure | str], mode: str = "light"
) -> None:
    """Write a page that opens from disk without a network.

    Args:
        path: file to write.
        title: of the page.
        parts: figures, and fragments of HTML such as ``table`` makes.
        mode: light or dark.

    Cost: the drawing library is in the file, about 5 MB.
    """
    body, drawn = [], False
    for part in parts:
        if isinstance(part, str):
            body.append(part)
            continue
        fragment = part.to_html(full_html=False, include_plotlyjs=not drawn)
        body.append(f'<div class="plot">{fragment}</div>')
        drawn = True
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE.format(**ink(mode))}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(page, encoding="utf-8")
    beside.replace(path)
