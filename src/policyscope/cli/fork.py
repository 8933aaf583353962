"""``policyscope fork``: play on from a recorded step, with changes and without."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.flags import parse
from policyscope.cli.moment import parse_moment
from policyscope.cli.step import StepArgs, about, check_json, out_folder, put_json, tell_end
from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress

if TYPE_CHECKING:
    import numpy as np

    from policyscope.core.result import Result
    from policyscope.recordings.read import Recording
    from policyscope.recordings.replays.fork import Progress

EXAMPLES = """Play on from a recorded step, with changes and without, on the same chances.

Changes of the scene: remove WHO, move WHO x=.. y=.., speed WHO speed=.., add x=.. y=.. speed=..;
WHO is an entity's number or a kind, whose nearest is meant. Of activations: zero SITE[i,j],
clamp SITE[i]=NUMBER, add SITE[i]=NUMBER. docs/forks.md tells more.

examples:
  policyscope fork runs/rec:3:17 --edit 'remove saw'
  policyscope fork runs/rec:3:17 --edit 'move coin x=12.5 y=4.5' --seeds 50 --clip none
  policyscope fork runs/rec:0:5 --edit 'remove vehicle' --edit 'speed ego speed=0'
  policyscope fork runs/rec:3:17 --edit 'zero gru.gru.memory[12]' --during 5
"""


@dataclass(frozen=True, kw_only=True)
class Args(StepArgs):
    """Flags of ``policyscope fork``."""

    edit: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """A change, in quotes; may be repeated."""
    seeds: int = 20
    """Pairs of futures; one where nothing random follows."""
    during: int | None = None
    """Decisions that changes of activations last; default: to the end."""
    null: int = 20
    """Draws from the null of changes of activations; 0 for none."""
    seed: int = 0
    """Seed of the null's draws and of the interval."""
    clip: str = "0"
    """Pair to show as a clip, or none."""
    size: int = 360
    """Side of each of the clip's pictures in pixels."""
    fps: float | None = None
    """Steps shown per second; default: 15 for images, else 2."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope fork``."""
    args = parse(Args, argv, "fork", EXAMPLES)
    path, episode, step = parse_moment(args.moment)
    _check_flags(args)
    out = out_folder(args.out, path, "forks", (episode, step, *args.edit, args.during))
    from policyscope.recordings.read import open_recording
    from policyscope.recordings.replays.fork import ForkConfig, fork

    config = ForkConfig(args.seeds, args.during, args.null, args.seed)
    recording = open_recording(path)
    with _told() as progress:
        result = fork(
            recording, episode, step, args.edit, config,
            command=f"policyscope fork {shlex.join(argv)}", progress=progress,
        )  # fmt: skip
    result.save(out, overwrite=True)
    _page(args, recording, result, out)
    if put_json(args.json, report(result, out)):
        return 0 if result.passed else 3
    _tell(result)
    return tell_end(result, out)


def _check_flags(args: Args) -> None:
    check_json(args.json)
    if not args.edit:
        raise PolicyscopeError("nothing to change; give --edit, e.g. --edit 'remove 2' (--help)")
    if args.clip != "none" and not args.clip.isdecimal():
        raise PolicyscopeError(f"--clip takes the number of a pair or none, got '{args.clip}'")
    if args.clip != "none" and 0 < args.seeds <= int(args.clip):
        raise PolicyscopeError(f"--clip {args.clip}: there are pairs 0..{args.seeds - 1}")
    if not 32 <= args.size <= 2048 or (args.fps is not None and not 0 < args.fps <= 240):
        raise PolicyscopeError(
            "--fps must lie above 0 and be at most 240, --size between 32 and 2048"
        )


@contextmanager
def _told() -> "Iterator[Progress]":
    """A bar of the futures played, and the same told to a program that asked."""
    with progress_bar() as bar:
        task = bar.add_task("playing futures", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            tell_progress(done, total, "playing on")

        yield progress


def _page(args: Args, recording: "Recording", result: "Result", out: Path) -> None:
    from policyscope.figures.fork_page import write_fork_page
    from policyscope.recordings.clips.video import encode
    from policyscope.recordings.replays.fork_clip import fork_frames

    clip = None
    if args.clip != "none":
        image = len(recording.space.obs_shape) == 3
        frames = fork_frames(recording, result, int(args.clip), args.size)
        shown = _counted(frames, result.data.sizes["time"])
        clip = encode(shown, args.fps or (15 if image else 2))
        (out / "clip.mp4").write_bytes(clip)
    write_fork_page(result, out / "figure.html", clip, args.theme)


def _counted(frames: "Iterable[np.ndarray]", total: int) -> "Iterator[np.ndarray]":
    """The frames of the clip, with a bar of those that are drawn."""
    with progress_bar() as bar:
        task = bar.add_task("drawing the clip", total=total)
        for frame in frames:
            yield frame
            bar.advance(task)


def report(result: "Result", out: Path) -> dict[str, Any]:
    """What a fork found, as JSON values.

    Args:
        result: of ``fork``.
        out: its folder.
    """
    data = result.data
    mean, low, high = (float(v) for v in data["difference"].values)
    finite = data.sizes["pair"] > 1
    return {
        **about(result, out),
        "changes": result.parameters["changes"],
        "pairs": data.sizes["pair"],
        "chance": data.attrs["chance"],
        "difference": {"mean": mean, "interval": [low, high] if finite else None},
        "return": {s: data["return"].sel(side=s).values.tolist() for s in ("kept", "changed")},
        "outcome": {s: data["outcome"].sel(side=s).values.tolist() for s in ("kept", "changed")},
        "diverges": [None if d < 0 else int(d) for d in data["diverges"].values],
        "null": data["null"].values.tolist() if "null" in data else None,
    }


def _tell(result: "Result") -> None:
    from rich.console import Console
    from rich.table import Table

    from policyscope.figures.fork_page import words

    console, data = Console(highlight=False), result.data
    console.print(words(result), markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("", "mean return", "mean steps", "outcomes"):
        table.add_column(title, justify="right" if "mean" in title else "left")
    for side in ("kept", "changed"):
        one = data.sel(side=side)
        ends = [str(o) or "cut" for o in one["outcome"].values]
        counts = {end: ends.count(end) for end in sorted(set(ends), key=ends.count, reverse=True)}
        table.add_row(
            side, f"{float(one['return'].mean()):.2f}", f"{float(one['steps'].mean()):.1f}",
            ", ".join(f"{end} {n} of {len(ends)}" for end, n in counts.items()),
        )  # fmt: skip
    console.print(table)
    if "null" in data:
        draws, effect = abs(data["null"].values), abs(float(data["difference"].values[0]))
        beaten = int((draws >= effect).sum())
        console.print(f"null of equal size: {beaten} of {len(draws)} draws change as much or more")
