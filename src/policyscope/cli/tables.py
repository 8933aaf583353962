"""Tables of an evaluation for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from policyscope.cli.environment import env_text, seeds_text
from policyscope.core.numbers import rounded


def evaluation_tables(name: str, values: Mapping[str, Any]) -> None:
    """Put out an evaluation: policies, then paired differences.

    Args:
        name: what the agent is called.
        values: what ``report`` gave.
    """
    console = Console(highlight=False)
    level, n = f"{values['level']:.0%}", values["n"]
    seeds = seeds_text(values["env"], *values["seeds"])
    fewer = {p["n"] for p in values["paired"].values()} - {n}
    each = "each" if not fewer else "of the agent; baselines play the first of its seeds"
    console.print(_policies(name, values))
    console.print(
        f"{env_text(values['env'])}, {seeds}, n = {n} episodes {each}. Mean [{level} interval]: "
        "bootstrap over episodes for return (undiscounted sum of rewards) and length (decisions), "
        "Wilson for the rates of outcomes. An episode can have several outcomes.",
        markup=False,
    )
    if values["paired"]:
        console.print(_differences(name, values["paired"]))
        console.print(
            f"Difference in return on the same seeds, pair by pair, mean [{level} interval]; p: "
            "two-sided sign-flip permutation. A true difference of the detectable size is found 4 "
            "times out of 5; a smaller one that is not found is undecided, not absent.",
            markup=False,
        )


def _policies(name: str, values: Mapping[str, Any]) -> Table:
    columns = {name: values["agent"], **values["baselines"]}
    table = Table("", show_lines=True)
    for label in columns:
        table.add_column(label, overflow="fold")
    table.add_row("episodes", *(f"{c['n']:,}" for c in columns.values()))
    table.add_row("acts", *(c["act"] for c in columns.values()))
    for quantity in ("return", "length"):
        cells = (_interval(c[quantity], c["n"]) for c in columns.values())
        table.add_row(quantity, *cells)
    for outcome in values["agent"]["outcomes"]:
        table.add_row(outcome, *(_rate(c["outcomes"][outcome]) for c in columns.values()))
    return table


def _differences(name: str, paired: Mapping[str, Any]) -> Table:
    table = Table(
        Column(f"{name} minus", overflow="fold"), Column("pairs", justify="right"),
        "difference in return", "p", "detectable",
    )  # fmt: skip
    for label, row in paired.items():
        size = float(row["minimum_detectable_effect"])
        effect = f"{size:.2f}" if size else "unknown"  # no spread was seen to tell it by
        difference = _interval(row["difference"], row["n"]).replace("\n", " ")
        table.add_row(label, f"{row['n']:,}", difference, rounded(row["p"], 2), effect)
    return table


def _interval(values: Mapping[str, Any], n: int) -> str:
    mean, low, high = (float(values[key]) for key in ("mean", "low", "high"))
    if low == high:  # no interval: numbers that never differ say nothing of how they spread
        return f"{mean:.2f}\n(all {n} equal)"
    return f"{mean:.2f}\n\\[{low:.2f}, {high:.2f}]"


def _rate(values: Mapping[str, Any]) -> str:
    percent = (100 * values[key] for key in ("rate", "low", "high"))
    return "{:.1f} %\n\\[{:.1f}, {:.1f}]".format(*percent)
