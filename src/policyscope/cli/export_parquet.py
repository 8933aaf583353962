"""``policyscope export --to parquet``: the steps of a recording as one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.flags import parse
from policyscope.cli.place import beside

EXAMPLES = """Write the steps of all episodes as one Parquet table, one row a step.

pandas, polars and duckdb read it. What each column means stands in the metadata of its field.

examples:
  policyscope export runs/rec --to parquet
  policyscope export runs/rec --out steps.parquet --columns value 'q[FASTER]-q[SLOWER]'
  policyscope export runs/rec --out steps.parquet --columns obs --sites '*.pattern'
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope export --to parquet``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder of a recording, or its URL."""
    to: Literal["parquet"] = "parquet"
    """The form."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File to write; default is beside the recording: RECORDING.parquet."""
    columns: tuple[str, ...] = ()
    """Targets to add, e.g. value or q[FASTER]-q[SLOWER], and obs, state_in or row_identity."""
    sites: tuple[str, ...] = ()
    """Patterns of sites to add, each as a list of its numbers."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope export --to parquet``."""
    args = parse(Args, argv, "export", EXAMPLES)
    out = args.out or beside(args.recording, ".parquet")
    from rich.console import Console

    from policyscope.recordings.exchange.parquet import write_steps
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    total = int(recording.episodes["steps"].sum())
    with progress_bar() as bar:
        task = bar.add_task("writing steps", total=total)
        rows = write_steps(
            recording, out, args.columns, args.sites, lambda n: bar.update(task, completed=n)
        )
    told = f"{rows:,} steps of {len(recording):,} episodes, {out.stat().st_size / 1e6:.2f} MB"
    Console(highlight=False, soft_wrap=True, markup=False).print(f"wrote {out}: {told}")
    return 0
