"""Several figures and tables as one self-contained HTML page."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio

from policyscope.figures.theme import NARROWEST, ink

#: Cells of tables that are longer than this many letters are broken into lines.
LONG = 34

_STYLE = """
body {{ font: 14px/1.5 Inter, 'Helvetica Neue', Arial, sans-serif; background: {paper};
  color: {text}; max-width: 1180px; margin: 24px auto; padding: 0 16px; }}
h2 {{ font-size: 18px; font-weight: 500; margin: 32px 0 8px; }}
p {{ color: {soft}; max-width: 80ch; }}
table {{ border-collapse: collapse; font-size: 12.5px; width: 100%; }}
th {{ text-align: left; font-weight: 600; border-bottom: 1px solid {zero}; padding: 4px 10px;
  vertical-align: bottom; white-space: pre-line; }}
td {{ border-bottom: 1px solid {grid}; padding: 4px 10px; font-variant-numeric: tabular-nums;
  white-space: pre; }}
td:first-child, td.long {{ white-space: pre-line; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
.plot, .rows {{ overflow-x: auto; }}
"""


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """A fragment of HTML: a titled table; all text is escaped."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr>{''.join(f'<td{_long(cell)}>{html.escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    below = f"<p>{html.escape(note)}</p>" if note else ""
    lines = f'<div class="rows"><table><tr>{top}</tr>{body}</table></div>'
    return f"<h2>{html.escape(title)}</h2>{below}{lines}"


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
        body.append(_plot(part, library=not drawn))
        drawn = True
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE.format(**ink(mode))}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(page, encoding="utf-8")
    beside.replace(path)


def _long(cell: str) -> str:
    return ' class="long"' if len(cell) > LONG else ""


def _plot(figure: go.Figure, library: bool) -> str:
    """A figure as wide as it was made, less in a narrow window; it scrolls before text overlaps."""
    spec = figure.to_dict()
    layout = dict(spec["layout"])
    width, height = layout.pop("width", None), layout.get("height", 450)
    drawn = pio.to_html(
        {**spec, "layout": {**layout, "autosize": True}}, full_html=False, validate=False,
        include_plotlyjs=library, config={"responsive": True, "displaylogo": False},
        default_width="100%", default_height=f"{height}px",
    )  # fmt: skip
    limits = f"max-width:{width}px;min-width:{NARROWEST * width:.0f}px" if width else ""
    return f'<div class="plot"><div style="{limits}">{drawn}</div></div>'
