"""``policyscope export``: write a recording as a page, a table, a dataset or a clip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from policyscope.cli.bar import working
from policyscope.cli.export_form import form_of
from policyscope.cli.flags import parse
from policyscope.cli.place import beside
from policyscope.cli.plugins import Plugins, import_plugins

if TYPE_CHECKING:
    from policyscope.panel.export import Written

EXAMPLES = """Write a recording as one HTML file: the panel's page with the recording in it.

It needs no server and no network and opens from disk. It has no live changes, explanations, forks,
jobs, search for moments, map of steps and saved results: these need 'policyscope panel'.

Other forms, each with flags of its own ('policyscope export --to FORM --help'), are chosen by
--to or by how --out ends:
  parquet  the steps of all episodes as one table
  minari   a dataset of the library Minari
  mp4, gif a clip of an episode with boxes, action, reward, action values and targets

examples:
  policyscope export runs/rec
  policyscope export runs/rec 3 --out page.html
  policyscope export runs/rec --site attention_layer.value_all --track 'q[FASTER]-q[SLOWER]'
  policyscope export runs/rec --out steps.parquet
  policyscope export runs/rec --to minari --out datasets/cars-v0
  policyscope export runs/rec 3 --to gif --steps 10:60 --overlay boxes action --target value
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope export``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder of a recording, or its URL."""
    episode: Annotated[int | None, tyro.conf.Positional, tyro.conf.arg(metavar="[EPISODE]")] = None
    """One episode; default is the first 100, or as many of them as a page can hold."""
    to: Literal["html"] = "html"
    """Form to write: html, parquet, minari, mp4 or gif. Default: as --out ends, else html."""
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
    return _form(form_of(argv))(argv)


def _form(name: str) -> Callable[[Sequence[str]], int]:
    if name == "parquet":
        from policyscope.cli.export_parquet import main as run
    elif name == "minari":
        from policyscope.cli.export_minari import main as run
    elif name in ("mp4", "gif"):
        from policyscope.cli.export_clip import main as run
    else:
        run = _page
    return run


def _page(argv: Sequence[str]) -> int:
    args = parse(Args, argv, "export", EXAMPLES)
    from rich.console import Console

    from policyscope.panel.export import export_page
    from policyscope.recordings.read import place_of

    import_plugins(args.plugin)
    tail = "" if args.episode is None else f"-{args.episode}"
    out = args.out or beside(args.recording, f"{tail}.html")
    episodes = None if args.episode is None else [args.episode]
    with working("writing the page"):
        page = export_page(place_of(args.recording), out, episodes, args.site, args.track)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"wrote {page.path}: {_episodes_text(page)}, {page.bytes / 1e6:.2f} MB")
    for line in page.left_out:
        console.print(f"left out {line}")
    return 0


def _episodes_text(page: "Written") -> str:
    if not page.of:
        return "no episode, for none is finished"
    if page.episodes == page.of:
        return f"all {page.of} episodes" if page.of > 1 else "its only episode"
    return f"{page.episodes} of {page.of} episodes"
