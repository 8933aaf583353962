"""Overview of an attention result: the claims, attention against nearness, ego share, spread."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from policyscope.core.numbers import signed
from policyscope.core.result import Result
from policyscope.figures.theme import dress, faint, head_colour, ink

_MARKS = {"supported": "✓", "contradicted": "✗", "undecided": "?", "not measurable": "–"}
#: Where the claims' labels end and their verdicts begin, as shares of the width.
_LABELS, _VERDICTS = 0.31, 0.8
_SECTORS = ("front", "right", "behind", "left")
_SPECS = [
    [{"colspan": 6}, None, None, None, None, None],
    [{"colspan": 3}, None, None, {"colspan": 3}, None, None],
    [{"colspan": 2}, None, {"colspan": 2}, None, {"colspan": 2}, None],
]


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw what the heads do at a glance.

    Filled marks and solid lines are the trained weights, hollow marks and dotted lines the run's
    own initial ones. Bars and bands are bootstrap intervals over episodes.

    Args:
        result: of the method ``attention``.
        mode: light or dark.
    """
    data = result.data
    figure = make_subplots(
        rows=3, cols=6, specs=_SPECS, row_heights=[0.46, 0.29, 0.25], vertical_spacing=0.105,
        horizontal_spacing=0.06,
        subplot_titles=(
            "What Leurent & Mercat claim: right of zero the claim holds",
            "Attention to a vehicle by its distance",
            "Attention to a vehicle by its predicted closest approach",
            "Attention to the ego itself", "Entropy of the attention",
            "Attention to a vehicle by where it is",
        ),
    )  # fmt: skip
    dress(figure, mode)
    _claims(figure, data, mode)
    for column, relation in ((1, "distance"), (4, "closest_approach")):
        _lines(figure, data, relation, column)
    _dots(figure, data, ["self.mean"], (3, 1), "attention")
    _dots(figure, data, ["entropy.mean"], (3, 3), "nats")
    _dots(figure, data, [f"sector.{s}" for s in _SECTORS], (3, 5), "attention", _SECTORS)
    _legend(figure, data)
    _words(figure, result, mode)
    return figure


def _claims(figure: go.Figure, data: xr.Dataset, mode: str) -> None:
    names, heads = data["claim"].values, data["head"].values.tolist()
    places = np.arange(len(names))[::-1].astype(float)
    rows = [_row(data, c) for c in names]
    for i, head in enumerate(heads):
        for quantity, filled in ((1, False), (0, True)):
            ends = [_oriented(r, quantity, i) for r in rows]
            estimate, low, high = (np.array(v) for v in zip(*ends, strict=True))
            hover = [
                f"{r['title'].item()}<br>{_interval(r, quantity, i)} {r['unit'].item()}<br>"
                f"{int(r['n_rows'])} rows, {int(r['n_episodes'])} episodes" for r in rows
            ]  # fmt: skip
            y = places + _offset(i, len(heads), 0.56)
            figure.add_trace(_marks(estimate, y, (low, high), head, filled, hover), row=1, col=1)
    reach, ground = _reach(data), ink(mode)
    for place in places[::2]:
        figure.add_shape(
            type="rect", xref="paper", x0=0, x1=1, yref="y", y0=place - 0.5, y1=place + 0.5,
            fillcolor=faint(ground["zero"], 0.08), line_width=0, layer="below",
        )  # fmt: skip
    figure.add_vrect(
        x0=0, x1=reach, fillcolor=faint("#009E73", 0.09), line_width=0, layer="below", row=1, col=1
    )
    figure.add_vline(x=0, line={"color": ground["zero"], "width": 1.2}, row=1, col=1)
    figure.update_yaxes(
        tickvals=places, ticktext=list(data["claim_text"].values), ticks="", showgrid=False,
        range=[-0.5, len(names) - 0.5], automargin=False, zeroline=False, ticklabelstandoff=10,
        tickfont={"size": 13, "color": ground["text"]}, row=1, col=1,
    )  # fmt: skip
    figure.update_xaxes(
        range=[-reach, reach], domain=[_LABELS, _VERDICTS], zeroline=False, showgrid=True,
        title="rank correlation (last row: share), sign turned so that right is as claimed",
        row=1, col=1,
    )  # fmt: skip
    _verdicts(figure, data, places, mode)


def _verdicts(figure: go.Figure, data: xr.Dataset, places: np.ndarray, mode: str) -> None:
    heads = data["head"].values.tolist()
    width = (1 - _VERDICTS) / len(heads)
    common = {"xref": "paper", "showarrow": False, "xanchor": "center"}
    for i, head in enumerate(heads):
        x = _VERDICTS + width * (i + 0.5)
        colour = head_colour(head)
        figure.add_annotation(
            x=x, y=1, yref="paper", yanchor="bottom", text=f"<b>head {head}</b>",
            font={"size": 12, "color": colour}, **common,
        )  # fmt: skip
        for place, verdict, learned in zip(
            places, data["verdict"].values[:, i], data["learned"].values[:, i], strict=True
        ):
            arrow = {"more": " ↑", "less": " ↓"}.get(str(learned), "")
            figure.add_annotation(
                x=x, y=float(place), yref="y", text=f"{_MARKS[str(verdict)]}{arrow}",
                hovertext=f"head {head}: {verdict}; after training: {learned}",
                font={"size": 16, "color": colour if verdict != "undecided" else ink(mode)["soft"]},
                **common,
            )  # fmt: skip
    figure.add_annotation(
        x=1, y=-0.5, xref="paper", yref="y", xanchor="right", yanchor="top", showarrow=False,
        text="✓ supported  ✗ contradicted  ? undecided<br>↑ more, ↓ less than before training",
        align="right", yshift=-20, font={"size": 10.5, "color": ink(mode)["soft"]},
    )  # fmt: skip


def _row(data: xr.Dataset, claim: str) -> xr.Dataset:
    line = data.sel(claim=claim)
    return data.sel(measure=line["claim_verdict"].item()).assign(sign=line["claim_sign"])


def _oriented(row: xr.Dataset, quantity: int, head: int) -> tuple[float, float, float]:
    sign = int(row["sign"])
    values = [float(row[k][quantity, head]) * sign for k in ("estimate", "low", "high")]
    return values[0], min(values[1:]), max(values[1:])


def _interval(row: xr.Dataset, quantity: int, head: int) -> str:
    estimate, low, high = (float(row[k][quantity, head]) for k in ("estimate", "low", "high"))
    ends = f" [{signed(low)}, {signed(high)}]" if np.isfinite(low) else ""
    return f"{signed(estimate)}{ends}"


def _reach(data: xr.Dataset) -> float:
    shown = data[["low", "high", "estimate"]].sel(measure=np.unique(data["claim_verdict"].values))
    values = np.abs(np.concatenate([v.values.ravel() for v in shown.data_vars.values()]))
    return min(1.0, 1.08 * max(float(values[np.isfinite(values)].max(initial=0.0)), 0.1))


def _offset(i: int, count: int, span: float) -> float:
    return 0.0 if count == 1 else span * (0.5 - i / (count - 1))


def _marks(
    x: np.ndarray,
    y: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    head: int,
    filled: bool,
    hover: list[str],
) -> go.Scatter:
    colour = head_colour(head)
    bars = {"array": ends[1] - x, "arrayminus": x - ends[0], "symmetric": False, "type": "data",
            "thickness": 2.2 if filled else 1, "width": 0,
            "color": colour if filled else faint(colour, 0.45)}  # fmt: skip
    marker = (
        {"color": colour, "size": 9}
        if filled
        else {"color": faint(colour, 0.7), "size": 7, "symbol": "circle-open",
              "line": {"width": 1.4}}
    )  # fmt: skip
    return go.Scatter(
        x=x, y=y, mode="markers", marker=marker, error_x=bars, showlegend=False, text=hover,
        legendgroup=f"head {head}", hovertemplate=(
            f"head {head}, {'trained' if filled else 'initial'}<br>%{{text}}<extra></extra>"),
    )  # fmt: skip


def _lines(figure: go.Figure, data: xr.Dataset, relation: str, column: int) -> None:
    x = data[f"{relation}_bin"].values
    for i, head in enumerate(data["head"].values.tolist()):
        colour = head_colour(head)
        for w, weights in reversed(list(enumerate(data["weights"].values))):
            mean, low, high = (
                data[f"{relation}_{k}"].values[w, i] for k in ("mean", "low", "high")
            )
            trained = weights == "trained"
            if trained:
                known = ~np.isnan(low)
                figure.add_scatter(
                    x=np.concatenate([x[known], x[known][::-1]]),
                    y=np.concatenate([high[known], low[known][::-1]]),
                    fill="toself", fillcolor=faint(colour, 0.15), line={"width": 0}, mode="lines",
                    hoverinfo="skip", showlegend=False, legendgroup=f"head {head}",
                    row=2, col=column,
                )  # fmt: skip
            figure.add_scatter(
                x=x, y=mean, mode="lines+markers" if trained else "lines", showlegend=False,
                line={"color": colour, "width": 2.4 if trained else 1.4,
                      "dash": "solid" if trained else "dot"},
                marker={"size": 5}, legendgroup=f"head {head}",
                customdata=np.column_stack([data[f"{relation}_vehicles"].values, low, high]),
                hovertemplate=(
                    f"head {head}, {weights}<br>%{{x:.0f}} m: %{{y:.3f}} [%{{customdata[1]:.3f}}, "
                    "%{customdata[2]:.3f}]<br>%{customdata[0]} vehicles<extra></extra>"
                ),
                row=2, col=column,
            )  # fmt: skip
    title = {"distance": "distance of the vehicle [m]",
             "closest_approach": "predicted closest approach [m]"}[relation]  # fmt: skip
    figure.update_xaxes(title=title, rangemode="tozero", row=2, col=column)
    figure.update_yaxes(title="attention", rangemode="tozero", row=2, col=column)


def _dots(
    figure: go.Figure,
    data: xr.Dataset,
    measures: list[str],
    place: tuple[int, int],
    title: str,
    labels: tuple[str, ...] = (),
) -> None:
    rows = data.sel(measure=measures)
    heads = data["head"].values.tolist()
    single = len(measures) == 1
    for i, head in enumerate(heads):
        base = np.arange(len(measures))[::-1].astype(float)
        y = np.array([len(heads) - 1.0 - i]) if single else base + _offset(i, len(heads), 0.6)
        for q, filled in ((1, False), (0, True)):
            estimate, low, high = (rows[k].values[:, q, i] for k in ("estimate", "low", "high"))
            hover = [
                f"{rows['title'].values[m]}<br>{_interval(rows.isel(measure=m), q, i)} "
                f"{rows['unit'].values[m]}" for m in range(len(measures))
            ]  # fmt: skip
            figure.add_trace(_marks(estimate, y, (low, high), head, filled, hover),
                             row=place[0], col=place[1])  # fmt: skip
    names = [f"head {h}" for h in heads] if single else list(labels)
    figure.update_yaxes(
        tickvals=np.arange(len(names))[::-1], ticktext=names, range=[-0.6, len(names) - 0.4],
        showgrid=False, zeroline=False, ticks="", row=place[0], col=place[1],
    )  # fmt: skip
    figure.update_xaxes(title=title, rangemode="tozero", row=place[0], col=place[1])


def _legend(figure: go.Figure, data: xr.Dataset) -> None:
    for head in data["head"].values.tolist():
        colour = head_colour(head)
        figure.add_scatter(
            x=[None], y=[None], mode="lines+markers", name=f"head {head}",
            legendgroup=f"head {head}", line={"color": colour, "width": 3},
            marker={"size": 9, "color": colour}, row=1, col=1,
        )  # fmt: skip
    if "initial" in data["weights"].values:
        figure.add_scatter(
            x=[None], y=[None], mode="lines+markers", name="initial weights of the same run",
            line={"color": "#7F7F7F", "dash": "dot", "width": 1.5},
            marker={"symbol": "circle-open", "size": 8, "color": "#7F7F7F"}, row=1, col=1,
        )  # fmt: skip


def _words(figure: go.Figure, result: Result, mode: str) -> None:
    data, c = result.data, ink(mode)
    failed = [check.name for check in result.checks if not check.passed]
    passed = f"{len(result.checks) - len(failed)} of {len(result.checks)} checks passed"
    state = f'<span style="color:#C62828"><b>{passed}; failed: {", ".join(failed)}</b></span>'
    line = (
        f"{data.sizes['recorded_episode']} episodes, {data.sizes['decision']} decisions, "
        f"{100 * result.parameters['level']:g} % bootstrap intervals over episodes, "
        + (state if failed else passed)
    )
    for i, title in enumerate(figure.layout.annotations[:6]):
        domain = figure.layout[f"xaxis{i + 1 if i else ''}"].domain
        title.update(
            x=domain[0] if i else 0, xanchor="left", yshift=18 if i == 0 else 4,
            font={"size": 14.5, "color": c["text"]},
        )  # fmt: skip
    figure.update_layout(
        title={"text": f"What the attention heads look at<br>"
                       f'<span style="font-size:13px;color:{c["soft"]}">{line}</span>',
               "y": 0.975, "yanchor": "top"},
        height=1100, width=1180, margin={"l": 64, "r": 32, "t": 150, "b": 56},
        legend={"orientation": "h", "x": 0, "y": 1.048, "yanchor": "bottom", "xanchor": "left"},
        hovermode="closest",
    )  # fmt: skip
