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
from policyscope.core.numbers import rounded, signed

#: Entities that a table names.
TOP = 8
_KINDS = ("signed", "absolute")
#: Inputs that are named of a unit.
_INPUTS = 2
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
    if values["conductance"]:
        _conductance(console, values["conductance"])
    if values["entities"]:
        _entities(console, values)
    _trust(console, values["trust"])
    if values["trust_n"]:
        console.print(values["trust_n"], markup=False, style="dim")
    if values["checks"]:
        put_checks(console, values["checks"])
    else:
        console.print(f"unchecked: {values['unchecked']}", markup=False)
    put_places(console, values)


def _trust(console: Console, figures: Sequence[Mapping[str, Any]]) -> None:
    if not figures:
        return
    table = Table("how far it holds", "mean [95 %]", "better", "reads", box=None)
    for line in figures:
        interval = interval_text(line, alone=" (one episode)")
        name = f"{line['name']} (n={line['n']})"
        table.add_row(name, interval, line["better"], escape(line["reading"]))
    console.print(table)


def _heading(console: Console, values: Mapping[str, Any]) -> None:
    n = values["n"]
    console.print(
        f"[bold]{escape(values['target'])}[/] by {escape(values['method'])} at "
        f"{escape(values['site'])}: {counted(n['decisions'], 'decision')} of "
        f"{counted(n['episodes'], 'episode')}"
    )
    console.print("; ".join([*_told(values), values["compared"]]), markup=False)


def _told(values: Mapping[str, Any]) -> list[str]:
    """The target, and each number with how far it goes, where there are several decisions."""
    unit, numbers = f" {values['unit']}" if values["unit"] else "", values["numbers"]
    several = values["n"]["decisions"] > 1
    told = [f"target {number_text(numbers['target']['mean'])}{unit}{' on the mean' * several}"]
    for name, word in _NUMBERS.items():
        if name in numbers:
            mean, most = (number_text(numbers[name][k]) for k in ("mean", "p95"))
            told.append(f"{word} {mean} (95th percentile {most})" if several else f"{word} {mean}")
    return told


def _features(lines: Sequence[Mapping[str, Any]]) -> Table:
    """Means of features or units, beside those of untrained networks where there are any."""
    untrained = any("fresh" in line or "initial" in line for line in lines)
    heads = (*_heads(lines), "part")
    table = Table("", "feature" if lines[0]["who"] else "unit", *heads, box=None)
    if untrained:
        table.add_column("untrained")
    for line in lines:
        cells = [line["who"], escape(line["feature"])]
        cells += [interval_text(line[kind], ".2g") for kind in _KINDS]
        cells.append(percent(line["part"]["mean"] if "part" in line else None))
        if untrained:
            own = [percent(line["initial"].get("part"))] if "initial" in line else []
            ends = (percent(end) for end in line.get("fresh", {}).get("part", ()))
            cells.append(" ".join([*own, f"({'–'.join(dict.fromkeys(ends))})"]))
        table.add_row(*cells)
    if untrained:
        own_known = any("initial" in line for line in lines)
        initial = "part with the run's own initial weights (range of fresh ones)"
        fresh = "lowest and highest part with fresh weights; the run's own initial ones are unknown"
        table.caption = f"untrained: {initial if own_known else fresh}"
        table.caption_justify = "left"
    return table


def _heads(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    alone = all(line[kind]["low"] is None for line in lines for kind in _KINDS)
    return [f"{kind} {'(one episode)' if alone else '[95 %]'}" for kind in _KINDS]


def _actions(lines: Sequence[Mapping[str, Any]], actions: Sequence[str]) -> Table:
    """Signed and absolute means of each action: a line for each feature and action."""
    name = "feature" if lines[0]["who"] else "unit"
    table = Table("", name, "action", *_heads(lines), box=None)
    for line in lines:
        who, feature = line["who"], escape(line["feature"])
        for action in actions:
            told = line["actions"][action]
            cells = [interval_text(told[kind], ".2g") if told else "–" for kind in _KINDS]
            table.add_row(who, feature, escape(action), *cells)
            who = feature = ""
    table.title, table.title_justify = "each action", "left"
    return table


def _conductance(console: Console, told: Mapping[str, Any]) -> None:
    """Units that most flows through: the action and the inputs with most of it."""
    alone = all(one["low"] is None for one in told["units"][0]["actions"].values())
    head = f"most for {'(one episode)' if alone else '[95 %]'}"
    from_inputs = told["units"][0]["inputs"] is not None
    table = Table("unit", head, *(["most from"] if from_inputs else []), box=None)
    for line in told["units"][:TOP]:
        action, found = max(line["actions"].items(), key=lambda one: abs(one[1]["mean"]))
        cells = [line["unit"], f"{escape(action)} {interval_text(found, '.2g')}"]
        if from_inputs:
            largest = sorted(line["inputs"].items(), key=lambda one: -abs(one[1]))[:_INPUTS]
            cells.append(", ".join(f"{name} {signed(value, 2)}" for name, value in largest))
        table.add_row(*cells)
    inputs = f"; by input: of the target, {counted(told['looked_at'], 'decision')}"
    console.print(
        f"conductance: {min(TOP, len(told['units']))} of {counted(told['of'], 'unit')}; by action: "
        f"its score minus the mean over actions{inputs if from_inputs else ''} (--json - has "
        "more)",
        markup=False, style="dim",
    )  # fmt: skip
    console.print(table)


def _entities(console: Console, values: Mapping[str, Any]) -> None:
    """Who accounts for most over the steps: of one episode by identity, of several by kind."""
    what = "entity" if values["n"]["episodes"] == 1 else "kind"
    found = values["entities" if what == "entity" else "kinds"]
    lines = found[:TOP]
    summed = lines[0]["absolute"] is not None
    alone = "values of this method do not add up"
    if what == "kind":
        table = _kinds(lines)
        how = "[95 % intervals over n episodes]" + ("" if summed else f"; {alone}")
    else:
        table = _identities(lines, summed)
        how = "sums are over the steps in sight" if summed else alone
    console.print(
        f"{what}: {values[f'{what}_value']}; {how}; greatest: "
        f"{values[f'{what}_greatest']}.{_unit(values)}",
        markup=False, style="dim",
    )  # fmt: skip
    console.print(table)
    if len(found) > TOP:
        console.print(f"the first {TOP} of {len(found)}; --json has all", style="dim")


def _identities(lines: Sequence[Mapping[str, Any]], summed: bool) -> Table:
    sums = ("signed sum", "absolute sum") if summed else ()
    table = Table("entity", "steps", *sums, "a step", "a step, absolute", "greatest", box=None)
    for line in lines:
        cells = [escape(line["name"]), str(line["steps"])]
        cells += [signed(line["signed"]), rounded(line["absolute"])] if summed else []
        cells += [signed(line["signed_mean"]), rounded(line["absolute_mean"])]
        table.add_row(*cells, percent(line["greatest"]))
    return table


def _kinds(lines: Sequence[Mapping[str, Any]]) -> Table:
    """Means over steps with intervals over episodes; sums would tell how many were recorded."""
    table = Table("kind", "steps", "n", "a step", "a step, absolute", "greatest", box=None)
    for line in lines:
        means = (interval_text(line[f"{name}_interval"], ".2g") for name in _KINDS)
        greatest = interval_text(line["greatest_interval"], ".0%")
        n = str(line["signed_interval"]["n"])
        table.add_row(escape(line["name"]), str(line["steps"]), n, *means, greatest)
    return table


def _unit(values: Mapping[str, Any]) -> str:
    return f" Unit: {values['value_unit']}." if values["value_unit"] else ""


def through_time_table(values: Mapping[str, Any]) -> None:
    """Put out what past observations and memory account for.

    Args:
        values: what ``results.time_summary.through_time_report`` gives, with ``result`` and
            ``figure``.
    """
    console = Console(highlight=False)
    n = values["n"]
    console.print(
        f"[bold]{escape(values['target'])}[/], {values['by']} through time: "
        f"{counted(n['decisions'], 'decision')} of {counted(n['episodes'], 'episode')}"
    )
    console.print(f"{'; '.join(_told(values))}\n{values['baseline']}", markup=False)
    ends = " (one episode)" if n["episodes"] == 1 else " [95 %]"
    heads = (f"value{ends}", f"share, no sign{ends}", "with sign", "n")
    sampled = any(line["error"] is not None for line in values["past"])
    table = Table("steps ago", *heads, *(["standard error"] if sampled else []), box=None)
    for line in values["past"]:
        name = "memory" if line["ago"] is None else str(line["ago"])
        table.add_row(
            name, interval_text(line["values"]), interval_text(line["absolute"], ".2g"),
            percent(line["signed"]["mean"]), str(line["decisions"]),
            *([number_text(line["error"], ".2g")] if sampled else []),
        )  # fmt: skip
    console.print(table)
    _trust(console, values["trust"])
    put_checks(console, values["checks"])
    put_places(console, values)


def audit_table(values: Mapping[str, Any]) -> None:
    """Put out how far each method's values hold.

    Args:
        values: what ``attribution.audit.audit_report`` gives, with ``result`` and ``figure``.
    """
    console = Console(highlight=False)
    lines, better = values["methods"], values["better"]
    alone = all(line[name]["low"] is None for line in lines for name in better)
    console.print(
        f"[bold]{escape(values['target'])}[/] at {escape(values['site'])}: "
        f"{counted(values['n']['decisions'], 'decision')}, "
        f"{'mean (one episode)' if alone else 'mean [95 %]'}; n: decisions with something to "
        f"measure; judged by {values['level']}, units are set to: {escape(values['baseline'])}"
    )
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("method")
    for name, way in better.items():
        table.add_column(f"{name}\n{way}\n{_ns([line[name]['n'] for line in lines])}")
    table.add_column("s", justify="right")
    own = "" if alone else "\n(one episode)"
    for line in lines:
        cells = (interval_text(line[name], ".2f", "\n", own) for name in better)
        table.add_row(line["method"].replace("_", " "), *cells, f"{line['seconds']:.1f}")
    console.print(table)
    for method, why in values["left_out"].items():
        console.print(f"left out: {method.replace('_', ' ')}: {cause(why)}", markup=False)
    if values["left_out"]:
        console.print("(--json - tells the reasons in full)", markup=False, style="dim")
    put_places(console, values)


def _ns(counts: Sequence[int]) -> str:
    """How many decisions a figure was measured on, over the methods that have it."""
    ends = sorted({n for n in counts if n}) or [0]
    return f"n={ends[0]}" if len(ends) == 1 else f"n={ends[0]}–{ends[-1]}"


def cause(error: str) -> str:
    """The cause of an error without its place and its mend.

    Example:
        >>> cause("Grad-CAM needs channels and places; site 'fc' has shape (64,)")
        'Grad-CAM needs channels and places'
    """
    return re.split(r"; |: | \(use ", error, maxsplit=1)[0]
