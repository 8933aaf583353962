"""One look for every figure: a light and a dark plotly template, and colours for heads."""

import html
import textwrap

import plotly.graph_objects as go

#: Share of the width it was made for down to which a figure is drawn narrower.
NARROWEST = 0.76
#: Mean width in pixels of a letter of 13 pixels, and the margins of a title.
_LETTER, _MARGINS = 6.6, 48
_LINE = 24

#: Okabe & Ito 2008, told apart by colour-blind readers; the yellow last, it is faint on white.
HEAD_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#F0E442",
)  # fmt: skip
EGO_COLOUR = "#2E7D32"

_FONT = "Inter, 'Helvetica Neue', Arial, sans-serif"
_MODES = {
    "light": {"paper": "#FFFFFF", "plot": "#FFFFFF", "text": "#22272E", "soft": "#6B7380",
              "grid": "#E8EAED", "zero": "#9AA1AB", "road": "#D9DCE1", "line": "#FFFFFF",
              "body": "#AEB4BD"},
    "dark": {"paper": "#14171C", "plot": "#14171C", "text": "#E6E9EE", "soft": "#9AA3AF",
             "grid": "#2A2F37", "zero": "#6B7380", "road": "#2F353E", "line": "#4A525E",
             "body": "#7D8794"},
}  # fmt: skip


def ink(mode: str = "light") -> dict[str, str]:
    """Colours of paper, plot, text, soft text, grid, zero line, road, road line and car body."""
    return _MODES[mode]


def template(mode: str = "light") -> go.layout.Template:
    """The plotly template.

    Args:
        mode: light or dark.
    """
    c = ink(mode)
    axis = {
        "gridcolor": c["grid"],
        "zerolinecolor": c["grid"],
        "linecolor": c["zero"],
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": c["zero"],
        "tickfont": {"size": 11, "color": c["soft"]},
        "title": {"font": {"size": 12, "color": c["soft"]}, "standoff": 8},
        "automargin": True,
    }
    return go.layout.Template(
        layout={
            "font": {"family": _FONT, "size": 13, "color": c["text"]},
            "title": {"font": {"size": 18}, "x": 0, "xref": "container", "pad": {"l": 24},
                      "xanchor": "left"},
            "paper_bgcolor": c["paper"],
            "plot_bgcolor": c["plot"],
            "colorway": list(HEAD_COLOURS),
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"font": {"size": 12}, "bgcolor": "rgba(0,0,0,0)"},
            "hoverlabel": {"font": {"family": _FONT, "size": 12}},
            "margin": {"l": 64, "r": 32, "t": 72, "b": 56},
            "colorscale": {"diverging": "RdBu_r", "sequential": "Blues"},
            "annotationdefaults": {"font": {"size": 12, "color": c["text"]}},
        }
    )  # fmt: skip


def dress(figure: go.Figure, mode: str = "light") -> go.Figure:
    """Give a figure the look of all others; returns the figure."""
    return figure.update_layout(template=template(mode))


def titled(figure: go.Figure, title: str, words: str, mode: str = "light") -> go.Figure:
    """Give a figure its title with soft words below it, broken so that they fit a narrow drawing.

    Args:
        figure: with its width, height and upper margin; each further line adds to both.
        title: one line.
        words: what has to be known to read the figure.
        mode: light or dark.

    Returns:
        The figure.

    Example:
        >>> figure = go.Figure(layout={"width": 500, "height": 300, "margin": {"t": 90}})
        >>> titled(figure, "Value", "of 2 decisions " * 4).layout.margin.t
        114
    """
    layout = figure.layout
    letters = int((NARROWEST * layout.width - _MARGINS) / _LETTER)
    lines = textwrap.wrap(words, letters, break_on_hyphens=False)
    told = "<br>".join(map(html.escape, lines))
    below = f"<span style='font-size:13px;color:{ink(mode)['soft']}'>{told}</span>"
    more = _LINE * (len(lines) - 1)
    return figure.update_layout(
        title={"text": f"{html.escape(title)}<br>{below}", "y": 1, "yref": "container",
               "yanchor": "top", "pad": {"t": 22, "l": 24}},
        margin={"t": layout.margin.t + more}, height=layout.height + more,
    )  # fmt: skip


def head_colour(head: int) -> str:
    """Colour of an attention head, the same in every figure."""
    return HEAD_COLOURS[head % len(HEAD_COLOURS)]


def faint(colour: str, alpha: float) -> str:
    """A hex colour made see-through.

    Example:
        >>> faint("#0072B2", 0.5)
        'rgba(0,114,178,0.5)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
