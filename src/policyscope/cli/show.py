"""``policyscope show``: describe an agent, a recording or a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """Describe an agent (modules, sites with shapes, card), a recording or a result.

Without PATH: the shipped agents.

examples:
  policyscope show
  policyscope show highway-ego-attention
  policyscope show coinrun-gru --card
  policyscope show runs/rec
  policyscope show runs/rec/attention
"""
_CAPTION = "In brackets: 95 % intervals. The whole card as JSON: --card."


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope show``."""

    path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")] = ""
    """Folder of an agent, a training run, a recording or a result, or a shipped agent's name, or
    the URL of a recording."""
    card: bool = False
    """Print an agent's whole card as JSON, and nothing else."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope show``."""
    args = parse(Args, argv, "show", EXAMPLES)
    from rich.console import Console

    console = Console(highlight=False)
    if not args.path:
        if args.card:
            raise PolicyscopeError(
                "--card needs an agent; 'policyscope show' lists the shipped ones"
            )
        _show_shipped(console)
    elif args.card:
        _print_card(args.path)
    elif "://" in args.path or (Path(args.path) / "recording.json").is_file():
        from policyscope.recordings.show import show_recording

        show_recording(args.path, console)
    elif (Path(args.path) / "result.json").is_file():
        _show_result(Path(args.path), console)
    elif Path(args.path).exists() and not _is_agent(Path(args.path)):
        cause = "holds no agent, no training run, no recording and no result"
        raise BadFile(args.path or ".", cause, "give the folder of one, or a shipped agent's name")
    else:
        _show_agent(args.path, console)
    return 0


def _show_shipped(console: "Console") -> None:
    """Names of the shipped agents, where they act, and what they reach there."""
    from rich.table import Table

    from policyscope.agents.card import card_lines
    from policyscope.agents.store import load_agent, shipped_agents

    table = Table("agent", "acts in", "mean return [95 %]", box=None)
    for name in sorted(shipped_agents()):
        agent = load_agent(name)
        reached = dict(card_lines(agent.card)).get("return", "not measured")
        table.add_row(name, agent.env.id if agent.env else "none", reached)
    console.print(table)
    console.print("More of one: policyscope show AGENT", style="dim", markup=False)


def _print_card(name: str) -> None:
    import json
    import sys

    from policyscope.agents.store import load_agent

    sys.stdout.write(json.dumps(load_agent(name).card, indent=2) + "\n")


def _is_agent(folder: Path) -> bool:
    """Whether an agent lies in a folder, or was meant to: then it is told what is wrong with it."""
    return any((folder / name).exists() for name in ("agent.json", "run.json", "agent"))


def _show_agent(name: str, console: "Console") -> None:
    from rich.table import Column, Table
    from rich.text import Text

    from policyscope.agents.card import card_lines
    from policyscope.agents.show import facts, module_rows, shape_text
    from policyscope.agents.store import checkpoints, find_agent, load_agent

    agent = load_agent(name)
    head = Table.grid(padding=(0, 2))
    for key, value in facts(agent).items():
        head.add_row(Text(key, style="bold"), Text(value))
    head.add_row(Text("folder", style="bold"), Text(str(find_agent(name))))
    if kept := checkpoints(name):
        head.add_row(Text("checkpoints", style="bold"), Text(", ".join(kept)))
    console.print(head)
    name_column = Column("module", no_wrap=True)  # site names are there to be copied
    modules = Table(name_column, "kind", "parameters", "site shape", title="modules and sites")
    for row in module_rows(agent):
        label, shape = row.name or "network", shape_text(row.shape)
        modules.add_row(Text(label), row.kind, f"{row.parameters:,}", shape)
    console.print(modules)
    if agent.card:
        columns = Column("card", overflow="fold", ratio=2), Column("", overflow="fold", ratio=5)
        card = Table(*columns, caption=_CAPTION, caption_justify="left")
        for key, value in card_lines(agent.card):
            card.add_row(Text(key), Text(value))
        console.print(card)


def _show_result(folder: Path, console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    from policyscope.core.result import Result

    result = Result.load(folder)
    table = Table("", "", title=f"result of {result.method}", show_header=False)
    for key, value in result.parameters.items():
        table.add_row(key, Text(str(value)))
    for name, array in result.data.variables.items():
        sizes = ", ".join(f"{k} {n}" for k, n in array.sizes.items())
        table.add_row(f"data {name}", Text(f"{array.dtype} ({sizes})"))
    for check in result.checks:
        table.add_row("check", Text(str(check)))
    if not result.checks:
        table.add_row("unchecked", Text(result.unchecked or ""))
    console.print(table)
