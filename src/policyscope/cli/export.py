"""``policyscope export``: write a recording as one self-contained HTML page."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import PolicyscopeError

if TYPE_CHECKING:
    from policyscope.panel.export import Written
    from policyscope.panel.serve import PageServer

EXAMPLES = """Write a recording as one HTML file: scene, attention, values and actions over time.

It holds its data, needs no network and opens from disk.

examples:
  policyscope export runs/rec
  policyscope export runs/rec 3 --out page.html
  policyscope export runs/rec --serve
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope export``."""

    recording: Annotated[Path, tyro.conf.Positional]
    """Folder of a recording."""
    episode: Annotated[int | None, tyro.conf.Positional] = None
    """One episode; default is the first 100."""
    out: Path | None = None
    """HTML file to write; default is beside the recording: RECORDING.html."""
    site: str | None = None
    """Attention pattern to draw; default is the first recorded one."""
    serve: bool = False
    """Show the page on 127.0.0.1 until Ctrl-C, for a browser that cannot open the file."""
    port: int = 8765
    """Port to serve on."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope export``."""
    args = parse(Args, argv, "export", EXAMPLES)
    if not 0 <= args.port <= 65535:
        raise PolicyscopeError(f"--port must be 0 to 65535, got {args.port}")
    from rich.console import Console

    from policyscope.core.provenance import without_paths
    from policyscope.panel.export import export_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    out = args.out or _beside(args.recording, args.episode)
    console = Console(highlight=False, soft_wrap=True)
    with _server(args, out) as server:
        page = export_page(
            recording,
            out,
            None if args.episode is None else [args.episode],
            name=without_paths(str(args.recording)),
            site=args.site,
        )
        console.print(f"wrote {page.path}: {_episodes_text(page)}, {page.bytes / 1e6:.2f} MB")
        if server is not None:
            console.print(f"serving http://127.0.0.1:{server.port}/ until Ctrl-C")
            server.run()
    return 0


def _beside(recording: Path, episode: int | None) -> Path:
    folder = recording.resolve()
    tail = "" if episode is None else f"-{episode}"
    return Path(recording, "..", f"{folder.name}{tail}.html").resolve()


def _server(args: Args, out: Path) -> "AbstractContextManager[PageServer | None]":
    """Take the port before the work of writing the page, so that a taken one is told at once."""
    if not args.serve:
        return nullcontext()
    from policyscope.panel.serve import PageServer

    return PageServer(out, args.port)


def _episodes_text(page: "Written") -> str:
    if page.episodes == page.of:
        return f"all {page.of} episodes" if page.of > 1 else "its only episode"
    return f"{page.episodes} of {page.of} episodes"
