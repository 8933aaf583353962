"""``policyscope curve``: draw and tabulate training curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.core.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

    from policyscope.training.curve import Band

EXAMPLES = """Draw training curves; runs of one recipe become a band over seeds.

Runs of PPO that were watched (--watch-every) have their returns on held-out episodes beside them.

examples:
  policyscope curve runs/fast-0
  policyscope curve runs/fast-* runs/paper-* --out curves.html
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope curve``."""

    runs: Annotated[list[Path], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")]
    """Folders of training runs."""
    out: Path | None = None
    """HTML file to draw to; default: the tables alone."""
    points: int = 20
    """Windows along the environment steps."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope curve``."""
    args = parse(Args, argv, "curve", EXAMPLES)
    from rich.console import Console
    from rich.table import Table

    from policyscope.training.curve import bands, load_curve

    found = bands([load_curve(run) for run in args.runs], args.points)
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
        Console().print(table)
        if len(band.looks):
            Console().print(_looks_table(band))
    if args.out:
        from policyscope.figures.curve import draw

        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.out, draw(found).to_html(include_plotlyjs=True))
        Console(stderr=True).print(f"wrote {args.out}")
    return 0


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
