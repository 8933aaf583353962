"""``policyscope find``: moments of a recording that a query describes."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import write_text
from policyscope.core.numbers import rounded

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 40
EXAMPLES = """Find the moments of a recording that a query describes.

A query is made of clauses joined by 'and' and 'or'; docs/find.md has the whole grammar.

examples:
  policyscope find runs/rec "abs(advantage) top 20" --one-per-episode
  policyscope find runs/rec "value drops > 1 within 5"
  policyscope find runs/rec "outcome == saw and entity(saw).distance < 3"
  policyscope find runs/rec "action changes and q[FASTER]-q[SLOWER] crosses 0"
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope find``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REC")]
    """Folder of the recording, or its URL."""
    query: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="QUERY")]
    """What to look for, in quotes."""
    one_per_episode: bool = False
    """Of each episode, the strongest moment alone."""
    gamma: float | None = None
    """Discount of advantages; default: what the agent was trained with, or 0.99."""
    lam: float | None = None
    """Decay of advantages; default: what the agent was trained with, or 0.95."""
    limit: int = SHOWN
    """Lines of the table; --json has all."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the table."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope find``."""
    args = parse(Args, argv, "find", EXAMPLES)
    if args.json not in (None, "-") and not Path(args.json).resolve().parent.is_dir():
        raise BadFile(args.json, "its folder does not exist", "make it, or choose another --json")
    for name in ("gamma", "lam"):
        given = getattr(args, name)
        if given is not None and not 0 <= given <= 1:
            raise PolicyscopeError(f"--{name} must be between 0 and 1, got {given}")
    if args.limit < 1:
        raise PolicyscopeError(f"--limit must be at least 1, got {args.limit}")
    from policyscope.recordings.find.grammar import parse_query
    from policyscope.recordings.find.search import Search
    from policyscope.recordings.read import open_recording

    query = parse_query(args.query)
    recording = open_recording(args.recording)
    search = Search(recording, query, args.one_per_episode, args.gamma, args.lam)
    with progress_bar() as bar:
        task = bar.add_task("searching", total=int(recording.episodes["steps"].sum()))
        while search.go_on():
            bar.update(task, completed=search.done)
    found = search.table()
    if args.json:
        values = _values(args, found, len(recording))
        text = json.dumps(values, indent=2, allow_nan=False) + "\n"
        if args.json == "-":
            sys.stdout.write(text)
            return 0
        write_text(args.json, text)
    _table(args, found, len(recording))
    return 0


def _values(args: Args, found: "pd.DataFrame", episodes: int) -> dict:
    """The moments as JSON values; a number that is not known or infinite is null."""
    import numpy as np

    known = found.notna() & ~found.isin([np.inf, -np.inf])
    lines = found.astype(object).where(known, None).to_dict("records")
    return {"recording": args.recording, "query": args.query, "episodes": episodes, "found": lines}


def _table(args: Args, found: "pd.DataFrame", episodes: int) -> None:
    import pandas as pd
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    where = f"{found['episode'].nunique()} of {episodes} episodes"
    moments = "1 moment" if len(found) == 1 else f"{len(found)} moments"
    console.print(f"[bold]{escape(args.query)}[/]: {moments} in {where}")
    if found.empty:
        return
    numbered = found["number"].notna().any()
    leveled = "level" in found
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    shown = {"level": leveled, "number": numbered}
    for title in ("episode", "level", "steps", "number", "outcome", "return"):
        if shown.get(title, True):
            table.add_column(title, justify="left" if title == "outcome" else "right")
    for line in found.head(args.limit).to_dict("records"):
        first, last = line["step"], line["until"]
        steps = str(first) if first == last else f"{first}-{last}"
        level = ["" if line["level"] is pd.NA else str(line["level"])] if leveled else []
        number = [rounded(line["number"], 4)] if numbered else []
        ended = escape(str(line["outcome"])), rounded(line["return"], 4)
        table.add_row(str(line["episode"]), *level, steps, *number, *ended)
    console.print(table)
    if len(found) > args.limit:
        console.print(f"and {len(found) - args.limit} more (--limit, --json)")
