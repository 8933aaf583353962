"""``policyscope check``: whether a recording is whole, and what is wrong with it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile
from policyscope.core.files import write_text

if TYPE_CHECKING:
    from rich.console import Console

    from policyscope.recordings.check import Checked

FAULTY = 3
EXAMPLES = """Check a recording: every byte against its checksum, every part against the others.

The exit code is 0 for a whole recording and 3 if something is wrong with it.

examples:
  policyscope check runs/rec
  policyscope check runs/rec --json -
  policyscope check s3://bucket/rec
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope check``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REC")]
    """Folder of the recording, or its URL."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the table."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope check``."""
    args = parse(Args, argv, "check", EXAMPLES)
    if args.json not in (None, "-") and not Path(args.json).resolve().parent.is_dir():
        raise BadFile(args.json, "its folder does not exist", "make it, or choose another --json")
    from rich.console import Console

    from policyscope.recordings.check import as_json

    checked = _check(args.recording)
    if args.json:
        text = json.dumps(as_json(args.recording, checked), indent=2) + "\n"
        if args.json == "-":
            sys.stdout.write(text)
            return FAULTY if checked.faults else 0
        write_text(args.json, text)
    _table(args.recording, checked, Console(highlight=False))
    return FAULTY if checked.faults else 0


def _check(path: str) -> "Checked":
    from policyscope.recordings.check import examine

    with progress_bar() as bar:
        task = bar.add_task("shards", total=None)
        return examine(path, lambda done, total: bar.update(task, completed=done, total=total))


def _table(path: str, checked: "Checked", console: "Console") -> None:
    from rich.markup import escape
    from rich.table import Table

    from policyscope.recordings.show import size_text

    read = f"{checked.files} files, {size_text(checked.bytes)}"
    count = len(checked.faults)
    found = f"{count} fault{'s' * (count > 1)}" if count else "whole"
    console.print(f"[bold]{escape(path)}[/]: {found} ({read})", soft_wrap=True)
    for note in checked.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if not count:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("where", "what is wrong", "mend"):
        table.add_column(title, overflow="fold")
    for fault in checked.faults:
        table.add_row(escape(fault.place), escape(fault.cause), escape(fault.mend))
    console.print(table)
