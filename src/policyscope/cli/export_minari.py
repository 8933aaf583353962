"""``policyscope export --to minari``: a recording as a Minari dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.flags import parse

EXAMPLES = """Write a recording as a dataset of the library Minari.

Nothing is written anywhere but in --out; the folder's name is the dataset's id. Frames are kept as
they are, not as JPEG.

examples:
  policyscope export runs/rec --to minari --out datasets/cars-v0
  policyscope export runs/rec --to minari --out datasets/cars-v0 --infos outputs logp state_in
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope export --to minari``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder of a recording, or its URL."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """The dataset's folder; its name ends with a version, e.g. cars-v0."""
    to: Literal["minari"] = "minari"
    """The form."""
    infos: tuple[str, ...] = ()
    """Columns to write as infos: outputs for all outputs, value, logits, logp, state_in (memory),
    sites/NAME."""
    episodes: tuple[int, ...] = ()
    """Numbers of episodes; all unless given."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope export --to minari``."""
    args = parse(Args, argv, "export", EXAMPLES)
    from rich.console import Console

    from policyscope.recordings.exchange.minari import write_dataset
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    with progress_bar() as bar:
        task = bar.add_task("writing episodes", total=len({*args.episodes} or recording))
        written = write_dataset(
            recording, args.out, args.infos, args.episodes or None, lambda: bar.advance(task)
        )
    console = Console(highlight=False, soft_wrap=True, markup=False)
    counts = f"{written.episodes:,} episodes, {written.steps:,} steps"
    console.print(f"wrote {written.path}: {counts}")
    if written.repeated:
        console.print(
            f"the observation after the end is unknown in {written.repeated:,} episodes; "
            "the last one stands there again"
        )
    console.print(f"load it with: {written.load}")
    return 0
