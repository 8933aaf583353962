"""Tables of attention, memory and traces for the terminal; they fit 80 columns."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from policyscope.cli.table_parts import interval_text, number_text, put_checks, put_places

_MARKS = {
    "supported": "[green]✓ supported[/]",
    "contradicted": "[red]✗ contradicted[/]",
    "undecided": "? undecided",
    "not measurable": "– not measurable",
}
_ARROWS = {"more": "[green]↑[/]", "less": "[red]↓[/]"}
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
    put_checks(console, values["checks"])
    put_places(console, values)


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
        spread = number_text(unit["standard_deviation"])
        console.print(f"unit {unit['unit']}: standard deviation over the steps {spread}")
    for note in values["notes"]:
        console.print(f"note: {note}", markup=False)
    put_places(console, values)


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
    form = "+.2f" if effect["unit"] == "m" else "+.3f"
    for head, found, size in zip(claim["heads"], shown["heads"], effect["heads"], strict=True):
        table.add_row(
            f"head {head['head']}",
            interval_text(found["trained"], "+.2f"),
            _MARKS[head["verdict"]],
            number_text(size["trained"]["estimate"], form),
            interval_text(size["difference"], form),
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
            initial = number_text(found["initial"]["estimate"], "+.2f")
            table.add_row(
                f"head {head}", interval_text(found["trained"], "+.2f"), "",
                initial, interval_text(found["difference"], "+.2f"), "",
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
            table.add_row(line["title"], interval_text(line, ".3f"), line["unit"])
    console.print(table)
    if values["velocity"]:
        frame = {"memory": "memory", "frame": f"frame ({values['frame']})",
                 "difference": "difference"}  # fmt: skip
        ways = list(values["velocity"]["memory"])
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for title in ("velocity read from, R squared", *ways):
            table.add_column(title)
        for source, read in values["velocity"].items():
            table.add_row(escape(frame[source]), *(interval_text(read[w], ".3f") for w in ways))
        console.print()
        console.print(table)
    for note in values["notes"]:
        console.print(f"note: {note}", markup=False)
    put_checks(console, values["checks"])
    put_places(console, values)


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=0, pad_edge=False, header_style="dim")
    for title, width in zip(("", *titles, ""), _WIDTHS, strict=True):
        table.add_column(title, min_width=width, no_wrap=True)
    return table
