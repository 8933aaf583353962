"""Tables of an explanation for the terminal; they fit 80 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_MARKS = {
    "supported": "[green]✓ supported[/]",
    "contradicted": "[red]✗ contradicted[/]",
    "undecided": "? undecided",
    "not measurable": "– not measurable",
}
_ARROWS = {"more": "[green]↑[/]", "less": "[red]↓[/]"}
#: Entities that a table names.
TOP = 8
_WIDTHS = (7, 21, 15, 8, 24, 1)


def attention_tables(values: Mapping[str, Any]) -> None:
    """Put out claims, effects and checks.

    Args:
        values: what ``circuits.report.report`` gives, with ``result`` and ``figure``.
    """
    console = Console(highlight=False)
    n, level = values["n"], values["parameters"]["level"]
    console.print(
        f"[bold]What the attention heads look at[/]: {n['episodes']} episodes, {n['decisions']} "
        f"decisions, {n['action_changes']} changes of action"
    )
    console.print(
        f"Estimate [{level:.0%} bootstrap interval over episodes]. Correlations are of ranks and "
        "decide the verdict. Effects have a unit; their difference from the run's own initial "
        "weights tells whether training made them stronger (↑) or weaker (↓) as claimed.\n",
        markup=False,
    )
    for claim in values["claims"]:
        _claim(console, claim, values["measures"])
    _plain(console, values["measures"])
    for note in values["notes"]:
        console.print(f"note: {note}", markup=False)
    _checks(console, values["checks"])
    console.print(
        f"result: {values['result']}\nfigure: {values['figure']}", markup=False, soft_wrap=True
    )


def attribution_tables(values: Mapping[str, Any]) -> None:
    """Put out what the features share and how far it holds.

    Args:
        values: what ``results.summary.attribution_report`` gives, with ``result`` and
            ``figure``.
    """
    console = Console(highlight=False)
    n, numbers = values["n"], values["numbers"]
    console.print(
        f"[bold]{escape(values['target'])}[/] by {escape(values['method'])} at "
        f"{escape(values['site'])}: {n['decisions']} decisions of {n['episodes']} episodes"
    )
    unit = f" {values['unit']}" if values["unit"] else ""
    told = [f"target {_plain_number(numbers['target']['mean'])}{unit} on the mean"]
    words = {"change": "change from the baseline", "gap": "gap", "steps": "points on a path",
             "passes": "passes of a decision", "error": "standard error / size"}  # fmt: skip
    for name, word in words.items():
        if name in numbers:
            mean, most = (_plain_number(numbers[name][k]) for k in ("mean", "p95"))
            told.append(f"{word} {mean} (95th percentile {most})")
    told.append(f"compared with: {values['baseline']}")
    console.print("; ".join(told), markup=False)
    lines = values["features"] or values["units"]
    if lines:
        console.print(_features(lines))
    if lines and (actions := lines[0].get("actions")):
        console.print(_actions(lines, list(actions)))
    if values["entities"]:
        console.print(_entities(values))
    if values["trust"]:
        table = Table("how far it holds", "mean [95 %]", "better", "reads", box=None)
        for line in values["trust"]:
            name = f"{line['name']} (n={line['n']})"
            table.add_row(name, _ends(line), line["better"], escape(line["reading"]))
        console.print(table)
    if values["checks"]:
        _checks(console, values["checks"])
    else:
        console.print(f"unchecked: {values['unchecked']}", markup=False)
    console.print(
        f"result: {values['result']}\nfigure: {values['figure']}", markup=False, soft_wrap=True
    )


def _features(lines: Sequence[Mapping[str, Any]]) -> Table:
    """Means of features or units, beside those of untrained networks where there are any."""
    untrained = any("fresh" in line or "initial" in line for line in lines)
    heads = ("signed [95 %]", "absolute [95 %]", "part")
    part = "part: of a decision's absolute sum; untrained: with the run's own initial weights "
    table = Table("", "feature" if lines[0]["who"] else "unit", *heads, box=None)
    if untrained:
        table.add_column("untrained")
    for line in lines:
        cells = [
            line["who"],
            escape(line["feature"]),
            *(_brief(line[k]) for k in ("signed", "absolute")),
        ]
        cells.append(_percent(line["part"]["mean"]) if "part" in line else "none")
        if untrained:
            own = [_percent(line["initial"].get("part"))] if "initial" in line else []
            ends = (_percent(end) for end in line.get("fresh", {}).get("part", ()))
            cells.append(" ".join([*own, f"({'–'.join(dict.fromkeys(ends))})"]))
        table.add_row(*cells)
    if untrained:
        table.caption = f"{part}(range of fresh ones)"
        table.caption_justify = "left"
    return table


def _actions(lines: Sequence[Mapping[str, Any]], actions: Sequence[str]) -> Table:
    """Signed over absolute means, a column an action."""
    table = Table("", "feature" if lines[0]["who"] else "unit", *actions, box=None)
    for line in lines:
        told = (line["actions"][name] for name in actions)
        cells = (
            f"{one['signed']['mean']:+.3g} ({one['absolute']['mean']:.3g})" if one else "none"
            for one in told
        )  # fmt: skip
        table.add_row(line["who"], escape(line["feature"]), *cells)
    table.title, table.title_justify = "each action: signed mean (absolute)", "left"
    return table


def _entities(values: Mapping[str, Any]) -> Table:
    """Who accounts for most over the steps: of one episode by identity, of several by kind."""
    single = values["n"]["episodes"] == 1
    table = Table(
        "entity" if single else "kind",
        "steps",
        "signed",
        "absolute",
        "a step",
        "greatest",
        box=None,
    )
    for line in (values["entities"] if single else values["kinds"])[:TOP]:
        name = f"{line['kind']} {line['identity']}" if line.get("identity") else line["kind"]
        table.add_row(
            escape(name), str(line["steps"]), f"{line['signed']:+.3g}", f"{line['absolute']:.3g}",
            f"{line['absolute_mean']:.3g}", _percent(line["greatest"]),
        )  # fmt: skip
    return table


def _brief(interval: Mapping[str, Any]) -> str:
    """A mean and its interval in as few digits as tell them apart."""
    if interval["mean"] is None:
        return "none"
    if interval["low"] is None:
        return f"{interval['mean']:.2g}"
    return escape(f"{interval['mean']:.2g} [{interval['low']:.2g}, {interval['high']:.2g}]")


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"


def through_time_table(values: Mapping[str, Any]) -> None:
    """Put out what past observations and memory account for.

    Args:
        values: what ``results.time_summary.through_time_report`` gives, with ``result`` and
            ``figure``.
    """
    console = Console(highlight=False)
    n, numbers = values["n"], values["numbers"]
    console.print(
        f"[bold]{escape(values['target'])}[/], through time: {n['decisions']} decisions of "
        f"{n['episodes']} episodes"
    )
    console.print(
        f"target {_plain_number(numbers['target'])} on the mean; change from the baseline "
        f"{_plain_number(numbers['change'])}; gap {_plain_number(numbers['gap'])}; points on a "
        f"path {_plain_number(numbers['steps'])}\n{values['baseline']}",
        markup=False,
    )
    table = Table("steps ago", "value", "share, no sign [95 %]", "with sign", "n", box=None)
    for line in values["past"]:
        name = "memory" if line["ago"] is None else str(line["ago"])
        signed = _percent(line["signed"]["mean"])
        table.add_row(
            name, _plain_number(line["values"]["mean"]), _brief(line["absolute"]), signed,
            str(line["decisions"]),
        )  # fmt: skip
    console.print(table)
    _checks(console, values["checks"])
    console.print(
        f"result: {values['result']}\nfigure: {values['figure']}", markup=False, soft_wrap=True
    )


def audit_table(values: Mapping[str, Any]) -> None:
    """Put out how far each method's values hold.

    Args:
        values: what ``attribution.audit.audit_report`` gives, with ``result`` and ``figure``.
    """
    console = Console(highlight=False)
    console.print(
        f"[bold]{escape(values['target'])}[/] at {escape(values['site'])}: "
        f"{values['n']['decisions']} decisions, mean [95 %]; judged by {values['level']}, "
        f"compared with: {escape(values['baseline'])}"
    )
    heads = [f"{name}\n{better}" for name, better in values["better"].items()]
    table = Table(box=None)
    table.add_column("method", no_wrap=True)
    for head in (*heads, "s"):
        table.add_column(head)
    for line in values["methods"]:
        cells = (_short(line[name]) for name in values["better"])
        table.add_row(line["method"].replace("_", " "), *cells, f"{line['seconds']:.1f}")
    console.print(table)
    for method, why in values["left_out"].items():
        console.print(f"left out: {method.replace('_', ' ')}: {why}", markup=False)
    console.print(
        f"result: {values['result']}\nfigure: {values['figure']}", markup=False, soft_wrap=True
    )


def _short(interval: Mapping[str, Any]) -> str:
    """A mean over its interval, for narrow columns."""
    if interval["mean"] is None:
        return "none"
    if interval["low"] is None:
        return f"{interval['mean']:.2f}"
    return escape(f"{interval['mean']:.2f}\n[{interval['low']:.2f}, {interval['high']:.2f}]")


def _plain_number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _ends(interval: Mapping[str, Any]) -> str:
    if interval["mean"] is None:
        return "none"
    if interval["low"] is None:
        return f"{interval['mean']:.3g} (one episode)"
    return escape(f"{interval['mean']:.3g} [{interval['low']:.3g}, {interval['high']:.3g}]")


def traces_text(values: Mapping[str, Any]) -> None:
    """Say what was traced and where it is drawn.

    Args:
        values: what ``circuits.report.traces_report`` gives, with ``result`` and ``figure``.
    """
    console = Console(highlight=False)
    n = values["n"]
    console.print(
        f"[bold]Traces of {escape(values['site'])}[/], episode {values['episode']}: "
        f"{n['steps']} steps, {n['units']} units"
        + (f", {n['vehicles']} vehicles by identity" if n["vehicles"] else ""),
        soft_wrap=True,
    )
    console.print(f"{values['kind']} output, {values['stage']}", markup=False)
    for unit in values["liveliest"]:
        spread = _number(unit["standard_deviation"], 3).removeprefix("+")
        console.print(f"unit {unit['unit']}: standard deviation over the steps {spread}")
    for note in values["notes"]:
        console.print(f"note: {note}", markup=False)
    console.print(
        f"result: {values['result']}\nfigure: {values['figure']}", markup=False, soft_wrap=True
    )


def _claim(console: Console, claim: Mapping[str, Any], measures: Mapping[str, Any]) -> None:
    shown, effect = measures[claim["verdict_measure"]], measures[claim["effect_measure"]]
    text = claim["text"]
    console.print(f"[bold]{escape(text[0].upper() + text[1:])}[/]", soft_wrap=True)
    n = f"n = {shown['n_rows']} in {shown['n_episodes']} episodes"
    words = f"{shown['title']}; {n}"
    if effect is not shown:
        words += f"\neffect [{effect['unit']}]: {effect['title']}"
    console.print(words, markup=False, style="dim")
    table = _table(shown["unit"], "verdict", "effect", "effect minus initial")
    digits = 2 if effect["unit"] == "m" else 3
    for head, found, size in zip(claim["heads"], shown["heads"], effect["heads"], strict=True):
        table.add_row(
            f"head {head['head']}",
            _interval(found["trained"], 2),
            _MARKS[head["verdict"]],
            _number(size["trained"]["estimate"], digits),
            _interval(size["difference"], digits),
            _ARROWS.get(head["after_training"], ""),
        )
    console.print(table, "")


def _plain(console: Console, measures: Mapping[str, Any]) -> None:
    for name in ("bearing.rank", "side.rank", "self.mean", "entropy.mean"):
        measure = measures[name]
        console.print(
            f"[bold]{escape(measure['title'].capitalize())}[/] [dim]({measure['unit']}; "
            f"n = {measure['n_rows']} in {measure['n_episodes']} episodes)[/]"
        )
        table = _table("trained", "", "initial", "trained minus initial")
        for head, found in enumerate(measure["heads"]):
            initial = _number(found["initial"]["estimate"], 2)
            table.add_row(
                f"head {head}", _interval(found["trained"], 2), "",
                initial, _interval(found["difference"], 2), "",
            )  # fmt: skip
        console.print(table, "")


def memory_text(values: Mapping[str, Any]) -> None:
    """Say what the memory does.

    Args:
        values: what ``circuits.report.memory_report`` gives, with ``result`` and ``figure``.
    """
    console = Console(highlight=False)
    n, level = values["n"], values["parameters"]["level"]
    console.print(
        f"[bold]What the memory does[/]: {n['episodes']} episodes, {n['decisions']} decisions "
        "after the first of an episode"
    )
    console.print(f"Estimate [{level:.0%} bootstrap interval over episodes].\n", markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("memory kept against reset at every step", "", "unit"):
        table.add_column(title)
    for line in values["reset"].values():
        if line["estimate"] is not None:
            table.add_row(line["title"], escape(_with_interval(line)), line["unit"])
    console.print(table)
    if values["velocity"]:
        frame = {"memory": "memory", "frame": f"frame ({values['frame']})",
                 "difference": "difference"}  # fmt: skip
        ways = list(values["velocity"]["memory"])
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for title in ("velocity read from, R squared", *ways):
            table.add_column(title)
        for source, read in values["velocity"].items():
            table.add_row(escape(frame[source]), *(escape(_with_interval(read[w])) for w in ways))
        console.print()
        console.print(table)
    for note in values["notes"]:
        console.print(f"note: {note}", markup=False)
    _checks(console, values["checks"])
    console.print(
        f"result: {values['result']}\nfigure: {values['figure']}", markup=False, soft_wrap=True
    )


def _with_interval(line: Mapping[str, float | None]) -> str:
    if line["estimate"] is None:
        return "–"
    ends = [line[k] for k in ("low", "high")]
    shown = "" if None in ends else f" [{ends[0]:.3f}, {ends[1]:.3f}]"
    return f"{line['estimate']:.3f}{shown}"


def _checks(console: Console, checks: list[Mapping[str, Any]]) -> None:
    failed = [c for c in checks if not c["passed"]]
    console.print(f"checks: {len(checks) - len(failed)} of {len(checks)} passed")
    for c in failed:
        console.print(
            f"FAILED: {c['name']}: {c['value']}, {c['sense']} {c['bound']}",
            style="bold red", markup=False,
        )  # fmt: skip


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=0, pad_edge=False, header_style="dim")
    for title, width in zip(("", *titles, ""), _WIDTHS, strict=True):
        table.add_column(title, min_width=width, no_wrap=True)
    return table


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:+.{digits}f}"


def _interval(found: Mapping[str, float | None], digits: int) -> str:
    numbers = [_number(found[k], digits) for k in ("estimate", "low", "high")]
    if found["low"] is None:
        return numbers[0]
    return f"{numbers[0]} \\[{numbers[1]}, {numbers[2]}]"
