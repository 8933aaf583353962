"""``policyscope why-not``: which single entity keeps the agent from another action."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from policyscope.cli.bar import working
from policyscope.cli.flags import parse
from policyscope.cli.moment import parse_moment
from policyscope.cli.step import StepArgs, about, check_json, out_folder, put_json, tell_end
from policyscope.core.errors import PolicyscopeError

if TYPE_CHECKING:
    from policyscope.core.result import Result

EXAMPLES = """Find the single entity that, removed or moved a little, makes the agent act otherwise.

examples:
  policyscope why-not runs/rec:0:5 FASTER
  policyscope why-not runs/coinrun:3:17 RIGHT --json -
"""


@dataclass(frozen=True, kw_only=True)
class Args(StepArgs):
    """Flags of ``policyscope why-not``."""

    action: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ACTION")]
    """Name or number of the other action."""
    limit: int = 10
    """Lines of the table; --json has all."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope why-not``."""
    args = parse(Args, argv, "why-not", EXAMPLES)
    path, episode, step = parse_moment(args.moment)
    check_json(args.json)
    if args.limit < 1:
        raise PolicyscopeError(f"--limit must be at least 1, got {args.limit}")
    from policyscope.figures.step_page import write_step_page
    from policyscope.figures.why_not import draw
    from policyscope.recordings.read import open_recording
    from policyscope.recordings.replays.why_not import why_not

    command = f"policyscope why-not {shlex.join(argv)}"
    with working("trying changes"):
        result = why_not(open_recording(path), episode, step, args.action, command=command)
    action = result.parameters["action"]
    out = out_folder(args.out, path, "why-not", (episode, step, action))
    result.save(out, overwrite=True)
    words = _words(result)
    write_step_page(result, out / "figure.html", words, [draw(result, args.theme)], args.theme)
    if put_json(args.json, {**about(result, out), **_values(result)}):
        return 0 if result.passed else 3
    _table(result, words, args.limit)
    return tell_end(result, out)


def _values(result: "Result") -> dict[str, Any]:
    data = result.data
    lines = data.to_dataframe().reset_index(drop=True).to_dict("records")
    changes = [{k: None if v != v else v for k, v in line.items()} for line in lines]
    return {"action": data.attrs["action"], "margin": data.attrs["margin"], "changes": changes}


def _words(result: "Result") -> str:
    data = result.data
    action, margin = data.attrs["action"], float(data.attrs["margin"])
    if margin > 0:
        return f"{action} is what the agent prefers at this step already (margin {margin:.3f})."
    enough = int((data["margin"].values > 0).sum())
    many = "change of a single entity makes" if enough == 1 else "changes of a single entity make"
    found = (
        f"{enough} {many} the agent prefer it; the least: {data['told'].values[0]}."
        if enough
        else "No change of a single entity that was tried makes the agent prefer it; nearest: "
        f"{data['told'].values[0]} (margin {float(data['margin'].values[0]):.3f})."
    )
    return (
        f"{action} scores {-margin:.3f} below what the agent prefers. {found} Tried: removing and "
        f"moving each of the {data.attrs['entities']} nearest entities, in 8 directions by half to "
        "four of its lengths."
    )


def _table(result: "Result", words: str, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console, data = Console(highlight=False), result.data
    console.print(words, markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("change", "distance", "margin", "takes it"):
        table.add_column(title, justify="left" if title == "change" else "right")
    for i in range(min(limit, data.sizes["change"])):
        one = data.isel(change=i)
        far, margin = float(one["distance"]), float(one["margin"])
        table.add_row(
            str(one["told"].values), "" if far != far else f"{far:.2f}", f"{margin:.3f}",
            "yes" if margin > 0 else "no",
        )  # fmt: skip
    console.print(table)
    if data.sizes["change"] > limit:
        console.print(f"and {data.sizes['change'] - limit} more (--limit, --json)")
