"""``policyscope export``: write a recording as one self-contained HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.cli.plugins import Plugins, import_plugins

if TYPE_CHECKING:
    from policyscope.panel.export import Written

EXAMPLES = """Write a recording as one HTML file: the panel's page with the recording in it.

It needs no server and no network and opens from disk. Live changes, jobs and results are left to
'policyscope panel'.

examples:
  policyscope export runs/rec
  policyscope export runs/rec 3 --out page.html
  policyscope export runs/rec --site attention_layer.value_all --track 'q[FASTER]-q[SLOWER]'
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope export``."""

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder of a recording."""
    episode: Annotated[int | None, tyro.conf.Positional, tyro.conf.arg(metavar="[EPISODE]")] = None
    """One episode; default is the first 100, or as many of them as a page can hold."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """HTML file to write; default is beside the recording: RECORDING.html."""
    site: tuple[str, ...] = ()
    """Sites to hold however large they are; of the others as many as keep the page small."""
    track: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Target to show over time, e.g. q[FASTER]-q[SLOWER]; may be given several times."""
    plugin: Plugins = ()
    """Modules to import first, e.g. to register tracks or overlays of your own."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope export``."""
    args = parse(Args, argv, "export", EXAMPLES)
    from rich.console import Console

    from policyscope.panel.export import export_page

    import_plugins(args.plugin)
    out = args.out or _beside(args.recording, args.episode)
    episodes = None if args.episode is None else [args.episode]
    page = export_page(args.recording, out, episodes, args.site, args.track)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"wrote {page.path}: {_episodes_text(page)}, {page.bytes / 1e6:.2f} MB")
    for line in page.left_out:
        console.print(f"left out {line}")
    return 0


def _beside(recording: Path, episode: int | None) -> Path:
    folder = recording.resolve()
    tail = "" if episode is None else f"-{episode}"
    return Path(recording, "..", f"{folder.name}{tail}.html").resolve()


def _episodes_text(page: "Written") -> str:
    if page.episodes == page.of:
        return f"all {page.of} episodes" if page.of > 1 else "its only episode"
    return f"{page.episodes} of {page.of} episodes"
