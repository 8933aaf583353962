"""``policyscope highlights``: a page of short clips of the telling moments of a recording."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from policyscope.cli.flags import parse
from policyscope.cli.place import beside
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import write_text

if TYPE_CHECKING:
    from policyscope.recordings.highlights.moments import Moment

EXAMPLES = """Write a page of short clips of the telling moments of a recording.

Kinds: better and worse (than expected: extreme advantage), jump (of the value), undecided, failure
(the last steps before each bad outcome). Each clip says why it was chosen. The page is one HTML
file and needs no server and no network.

examples:
  policyscope highlights runs/rec
  policyscope highlights runs/rec --clips 24 --out page.html
  policyscope highlights runs/rec --kinds failure worse
  policyscope highlights runs/rec --json -
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope highlights``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REC")]
    """Folder of the recording, or its URL."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="PAGE.html")] = None
    """HTML file to write; default is beside the recording: REC-highlights.html."""
    clips: int = 12
    """Clips at most."""
    kinds: tuple[str, ...] = ()
    """Kinds of moments; default is all."""
    size: int = 320
    """Side of the clips in pixels."""
    seed: int = 0
    """Draws the moments that nothing ranks."""
    json: str | None = None
    """Write the moments as JSON to this file too, or '-' to put them out and write no page."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope highlights``."""
    args = parse(Args, argv, "highlights", EXAMPLES)
    out = Path("-") if args.json == "-" else args.out or beside(args.recording, "-highlights.html")
    _check(args, out)
    from rich.console import Console
    from rich.progress import Progress

    from policyscope.figures.highlights_page import write_highlights
    from policyscope.recordings.highlights.clips import film_all
    from policyscope.recordings.highlights.moments import KINDS, choose
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    error = Console(stderr=True)
    with Progress(console=error, transient=True, disable=not error.is_terminal) as bar:
        task = bar.add_task("searching", total=len(args.kinds or KINDS))
        moments = choose(recording, args.clips, args.kinds or None, args.seed,
                         lambda _: bar.advance(task))  # fmt: skip
        if args.json == "-":
            sys.stdout.write(_values(args.recording, moments))
            return 0
        task = bar.add_task("filming", total=len(moments))
        clips, notes = film_all(recording, moments, args.size, lambda _: bar.advance(task))
    size = write_highlights(recording, clips, out, notes)
    if args.json:
        write_text(args.json, _values(args.recording, moments))
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for moment in moments:
        console.print(f"{args.recording}:{moment.episode}:{moment.step}  {moment.why}")
    for note in notes:
        console.print(note)
    console.print(f"wrote {out}: {len(clips)} clip{'s' * (len(clips) != 1)}, {size / 1e6:.2f} MB")
    return 0


def _check(args: Args, out: Path) -> None:
    if args.clips < 1:
        raise PolicyscopeError(f"--clips must be at least 1, got {args.clips}")
    if not 32 <= args.size <= 2048:
        raise PolicyscopeError(f"--size must lie between 32 and 2048, got {args.size}")
    if args.seed < 0:
        raise PolicyscopeError(f"--seed must be 0 or more, got {args.seed}")
    files = [] if args.json == "-" else [out]
    files += [Path(args.json)] if args.json not in (None, "-") else []
    for path in files:
        if not path.resolve().parent.is_dir():
            raise BadFile(path, "its folder does not exist", "make it, or choose another file")


def _values(recording: str, moments: "list[Moment]") -> str:
    """The moments as JSON; a number that is not known is null."""

    def known(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    lines = [{name: known(value) for name, value in asdict(m).items()} for m in moments]
    for line in lines:
        line["return"] = line.pop("total")
    values = {"recording": recording, "moments": lines}
    return json.dumps(values, indent=2, allow_nan=False) + "\n"
