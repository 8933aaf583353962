"""``policyscope report``: one decision as a page that can be sent to somebody."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.flags import parse
from policyscope.cli.moment import parse_moment
from policyscope.cli.place import beside
from policyscope.cli.step import check_json, put_json
from policyscope.core.errors import BadFile
from policyscope.core.progress import tell_progress

if TYPE_CHECKING:
    from policyscope.reports.decision import Progress
    from policyscope.reports.parts import Report

EXAMPLES = """Report one decision as one HTML file: clip, attribution, counterfactual, provenance.

examples:
  policyscope report runs/rec:3:5
  policyscope report runs/rec:3:5 --target 'q[FASTER]-q[SLOWER]' --method integrated_gradients
  policyscope report runs/coin:2:30 --target value --no-fork --out report.html
"""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of ``policyscope report``."""

    moment: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REC:EPISODE:STEP")]
    """Folder or URL of the recording, number of the episode, step of the decision."""
    target: str = ""
    """What is attributed, such as value; default: why the action taken."""
    method: str = ""
    """Method of attribution; default: shapley over vehicles, else integrated_gradients."""
    site: str = "preprocess"
    """Site to attribute to; default is the observation."""
    seeds: int = 10
    """Pairs of futures that are played on."""
    fork: bool = True
    """Play futures."""
    size: int = 320
    """Side of pictures in pixels."""
    seed: int = 0
    """Seed of what is drawn."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.html")] = None
    """HTML file to write; default is beside the recording: REC-report-EPISODE-STEP.html."""
    json: str | None = None
    """Write JSON to this file too, or '-' to put it out instead of the text."""
    theme: Literal["light", "dark"] = "light"
    """Look of the page."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope report``."""
    args = parse(Args, argv, "report", EXAMPLES)
    path, episode, step = parse_moment(args.moment)
    out = args.out or beside(path, f"-report-{episode}-{step}.html")
    check_json(args.json)
    if not out.resolve().parent.is_dir():
        raise BadFile(out, "its folder does not exist", "make it, or choose another --out")
    if out.is_dir():
        raise BadFile(out, "is a folder", "give --out the name of a file")
    from policyscope.figures.decision_page import write_decision
    from policyscope.recordings.read import open_recording
    from policyscope.reports.config import ReportConfig
    from policyscope.reports.decision import report
    from policyscope.reports.told import values_of

    config = ReportConfig(
        args.target, args.method, args.site, args.seeds, args.fork, args.size, args.seed
    )
    with _told() as progress:
        found = report(open_recording(path), episode, step, config, typed=path, progress=progress)
    size = write_decision(found, out, args.theme)
    if not put_json(args.json, {**values_of(found), "page": str(out)}):
        _tell(found)
        _print(f"wrote {out}: {size / 1e6:.2f} MB")
    return 0 if found.passed else 3


@contextmanager
def _told() -> "Iterator[Progress]":
    """A bar of the parts, and the same told to a program that asked."""
    with progress_bar() as bar:
        task = bar.add_task("reporting", total=None)

        def progress(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name)
            tell_progress(done, total, name)

        yield progress


def _tell(found: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    from policyscope.reports.told import lines_of

    _print(found.headline)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for name, text in lines_of(found):
        table.add_row(name, text)
    Console(highlight=False, markup=False).print(table)


def _print(text: Any) -> None:
    from rich.console import Console

    Console(highlight=False, soft_wrap=True, markup=False).print(text)
