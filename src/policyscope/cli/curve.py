"""``policyscope curve``: draw and tabulate training curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

    from policyscope.training.curve import Band

EXAMPLES = """Draw training curves; runs of one recipe become a band over seeds.

Runs of PPO that were watched (--watch-every) have their returns on held-out episodes beside them.

examples:
  policyscope curve runs/fast-0
  policyscope curve runs/fast-* runs/paper-* --out curves.html
  policyscope curve coinrun-gru
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope curve``."""

    runs: Annotated[list[Path], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")]
    """Folders of training runs, or an agent that came with its curves."""
    out: Path | None = None
    """HTML file to draw to; default: the tables alone."""
    points: int = 20
    """Windows along the environment steps, of training runs."""
    keep: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """JSON file to write the windows to; beside an agent as curve.json, they are its curves."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope curve``."""
    args = parse(Args, argv, "curve", EXAMPLES)
    from rich.console import Console
    from rich.table import Table

    found = _bands(args.runs, args.points)
    for band in found:
        table = Table(
            title=f"{band.group}   ({band.runs} run{'s' * (band.runs > 1)})", title_justify="left"
        )
        for column in ("environment steps", "mean return", "lowest run", "highest run", "episodes"):
            table.add_column(column, justify="right")
        for row in zip(band.step, band.mean, band.low, band.high, band.episodes, strict=True):
            step, mean, low, high, episodes = row
            table.add_row(
                f"{step:,.0f}", f"{mean:.2f}", f"{low:.2f}", f"{high:.2f}", f"{episodes:,}"
            )
        if not len(band.step):
            one = "no episode of training is finished yet"
            table.caption = one if band.runs == 1 else "no window holds episodes of every run yet"
        Console().print(table)
        if len(band.looks):
            Console().print(_looks_table(band))
    if args.out:
        from policyscope.figures.curve import draw

        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.out, draw(found).to_html(include_plotlyjs=True))
        Console(stderr=True).print(f"wrote {args.out}")
    if args.keep:
        from policyscope.training.kept_curve import keep

        keep(args.keep, found)
        Console(stderr=True).print(f"wrote {args.keep}")
    return 0


def _bands(runs: list[Path], points: int) -> "list[Band]":
    """Curves of runs, then those that were kept beside agents that came without their run."""
    from policyscope.training.curve import bands, load_curve
    from policyscope.training.kept_curve import kept

    beside = {run: _beside(run) for run in runs}
    own = [load_curve(run) for run, file in beside.items() if file is None]
    found = bands(own, points) if own or not runs else []
    return found + [band for file in beside.values() if file for band in kept(file)]


def _beside(run: Path) -> Path | None:
    """Where an agent's curves are kept; None for what is no agent, or is a run."""
    from policyscope.agents.store import find_agent
    from policyscope.training.kept_curve import FILE

    try:
        folder = find_agent(run)
    except PolicyscopeError:
        return None
    if (folder / "run.json").is_file():
        return None
    if not (folder / FILE).is_file():
        raise BadFile(folder, "came without its training curves", "give the folder of its run")
    return folder / FILE


def _looks_table(band: "Band") -> "Table":
    from rich.table import Table

    from policyscope.training.curve import looks_interval

    table = Table(title=f"held-out episodes, {looks_interval(band)}", title_justify="left")
    for column in ("environment steps", "mean return", "low", "high", "episodes"):
        table.add_column(column, justify="right")
    looks = band.looks
    for row in zip(looks.step, looks.mean, looks.low, looks.high, looks.episodes, strict=True):
        step, mean, low, high, episodes = row
        table.add_row(f"{step:,}", f"{mean:.2f}", f"{low:.2f}", f"{high:.2f}", f"{episodes:,}")
    return table
