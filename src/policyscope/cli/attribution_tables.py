"""Tables of attributions for the terminal; they fit 80 columns."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from policyscope.cli.table_parts import (
    counted,
    interval_text,
    number_text,
    percent,
    put_checks,
    put_places,
)

#: Entities that a table names.
TOP = 8
_NUMBERS = {
    "change": "change from the baseline", "gap": "gap", "steps": "points on a path",
    "passes": "passes of a decision", "error": "standard error / size",
}  # fmt: skip


def attribution_tables(values: Mapping[str, Any]) -> None:
    """Put out what the features share and how far it holds.

    Args:
        values: what ``results.summary.attribution_report`` gives, with ``result`` and
            ``figure``.
    """
    console = Console(highlight=False)
    _heading(console, values)
    lines = values["features"] or values["units"]
    if lines:
        if values["features"]:
            told = f"{values['feature_value']}{_unit(values)}"
            console.print(told, markup=False, style="dim")
        console.print(_features(lines))
    if lines and (actions := lines[0].get("actions")):
        console.print(_actions(lines, list(actions)))
    if values["entities"]:
        _entities(console, values)
    if values["trust"]:
        table = Table("how far it holds", "mean [95 %]", "better", "reads", box=None)
        for line in values["trust"]:
            interval = interval_text(line, alone=" (one episode)")
            name = f"{line['name']} (n={line['n']})"
            table.add_row(name, interval, line["better"], escape(line["reading"]))
        console.print(table)
        if values["trust_n"]:
            console.print(values["trust_n"], markup=False, style="dim")
    if values["checks"]:
        put_checks(console, values["checks"])
    else:
        console.print(f"unchecked: {values['unchecked']}", markup=False)
    put_places(console, values)


def _heading(console: Console, values: Mapping[str, Any]) -> None:
    n, numbers = values["n"], values["numbers"]
    console.print(
        f"[bold]{escape(values['target'])}[/] by {escape(values['method'])} at "
        f"{escape(values['site'])}: {counted(n['decisions'], 'decision')} of "
        f"{counted(n['episodes'], 'episode')}"
    )
    unit = f" {values['unit']}" if values["unit"] else ""
    told = [f"target {number_text(numbers['target']['mean'])}{unit} on the mean"]
    for name, word in _NUMBERS.items():
        if name in numbers:
            mean, most = (number_text(numbers[name][k]) for k in ("mean", "p95"))
            told.append(f"{word} {mean} (95th percentile {most})")
    console.print("; ".join([*told, values["compared"]]), markup=False)


def _features(lines: Sequence[Mapping[str, Any]]) -> Table:
    """Means of features or units, beside those of untrained networks where there are any."""
    untrained = any("fresh" in line or "initial" in line for line in lines)
    heads = ("signed [95 %]", "absolute [95 %]", "part")
    table = Table("", "feature" if lines[0]["who"] else "unit", *heads, box=None)
    if untrained:
        table.add_column("untrained")
    for line in lines:
        cells = [line["who"], escape(line["feature"])]
        cells += [interval_text(line[kind], ".2g") for kind in ("signed", "absolute")]
        cells.append(percent(line["part"]["mean"] if "part" in line else None))
        if untrained:
            own = [percent(line["initial"].get("part"))] if "initial" in line else []
            ends = (percent(end) for end in line.get("fresh", {}).get("part", ()))
            cells.append(" ".join([*own, f"({'–'.join(dict.fromkeys(ends))})"]))
        table.add_row(*cells)
    if untrained:
        table.caption = "untrained: part with the run's own initial weights (range of fresh ones)"
        table.caption_justify = "left"
    return table


def _actions(lines: Sequence[Mapping[str, Any]], actions: Sequence[str]) -> Table:
    """Signed over absolute means, a column an action."""
    table = Table("", "feature" if lines[0]["who"] else "unit", *actions, box=None)
    for line in lines:
        told = (line["actions"][name] for name in actions)
        cells = (
            f"{one['signed']['mean']:+.3g} ({one['absolute']['mean']:.3g})" if one else "–"
            for one in told
        )  # fmt: skip
        table.add_row(line["who"], escape(line["feature"]), *cells)
    table.title, table.title_justify = "each action: signed mean (absolute)", "left"
    return table


def _entities(console: Console, values: Mapping[str, Any]) -> None:
    """Who accounts for most over the steps: of one episode by identity, of several by kind."""
    what = "entity" if values["n"]["episodes"] == 1 else "kind"
    lines = values["entities" if what == "entity" else "kinds"][:TOP]
    summed = lines[0]["absolute"] is not None
    sums = ("signed sum", "absolute sum") if summed else ()
    table = Table(what, "steps", *sums, "a step", "a step, absolute", "greatest", box=None)
    for line in lines:
        cells = [escape(line["name"]), str(line["steps"])]
        cells += [f"{line['signed']:+.3g}", f"{line['absolute']:.3g}"] if summed else []
        cells += [f"{line['signed_mean']:+.3g}", f"{line['absolute_mean']:.3g}"]
        table.add_row(*cells, percent(line["greatest"]))
    how = "sums are over the steps in sight" if summed else "values of this method do not add up"
    console.print(
        f"{what}: {values[f'{what}_value']}; {how}; greatest: "
        f"{values[f'{what}_greatest']}.{_unit(values)}",
        markup=False, style="dim",
    )  # fmt: skip
    console.print(table)


def _unit(values: Mapping[str, Any]) -> str:
    return f" Unit: {values['value_unit']}." if values["value_unit"] else ""


def through_time_table(values: Mapping[str, Any]) -> None:
    """Put out what past observations and memory account for.

    Args:
        values: what ``results.time_summary.through_time_report`` gives, with ``result`` and
            ``figure``.
    """
    console = Console(highlight=False)
    n, numbers = values["n"], values["numbers"]
    console.print(
        f"[bold]{escape(values['target'])}[/], through time: "
        f"{counted(n['decisions'], 'decision')} of {counted(n['episodes'], 'episode')}"
    )
    told = {name: number_text(numbers[name]) for name in ("target", "change", "gap", "steps")}
    unit = f" {values['unit']}" if values["unit"] else ""
    console.print(
        f"target {told['target']}{unit} on the mean; change from the baseline {told['change']}; "
        f"gap {told['gap']}; points on a path {told['steps']}\n{values['baseline']}",
        markup=False,
    )
    table = Table("steps ago", "value", "share, no sign [95 %]", "with sign", "n", box=None)
    for line in values["past"]:
        name = "memory" if line["ago"] is None else str(line["ago"])
        table.add_row(
            name, number_text(line["values"]["mean"]), interval_text(line["absolute"], ".2g"),
            percent(line["signed"]["mean"]), str(line["decisions"]),
        )  # fmt: skip
    console.print(table)
    put_checks(console, values["checks"])
    put_places(console, values)


def audit_table(values: Mapping[str, Any]) -> None:
    """Put out how far each method's values hold.

    Args:
        values: what ``attribution.audit.audit_report`` gives, with ``result`` and ``figure``.
    """
    console = Console(highlight=False)
    console.print(
        f"[bold]{escape(values['target'])}[/] at {escape(values['site'])}: "
        f"{counted(values['n']['decisions'], 'decision')}, mean [95 %]; judged by "
        f"{values['level']}, units are set to: {escape(values['baseline'])}"
    )
    table = Table(box=None, padding=(0, 1, 0, 0))
    for head in ("method", *(f"{name}\n{better}" for name, better in values["better"].items())):
        table.add_column(head)
    table.add_column("s", justify="right")
    for line in values["methods"]:
        cells = (interval_text(line[name], ".2f", "\n") for name in values["better"])
        table.add_row(line["method"].replace("_", " "), *cells, f"{line['seconds']:.1f}")
    console.print(table)
    for method, why in values["left_out"].items():
        console.print(f"left out: {method.replace('_', ' ')}: {cause(why)}", markup=False)
    if values["left_out"]:
        console.print("(--json - tells the reasons in full)", markup=False, style="dim")
    put_places(console, values)


def cause(error: str) -> str:
    """The cause of an error without its place and its mend.

    Example:
        >>> cause("Grad-CAM needs channels and places; site 'fc' has shape (64,)")
        'Grad-CAM needs channels and places'
    """
    return re.split(r"; |: | \(use ", error, maxsplit=1)[0]
