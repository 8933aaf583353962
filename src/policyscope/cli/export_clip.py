"""``policyscope export --to mp4|gif``: a clip of a recorded episode."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.export_form import form_of
from policyscope.cli.flags import parse
from policyscope.cli.place import beside, require_folder
from policyscope.core.errors import PolicyscopeError

EXAMPLES = """Write an episode, or some of its steps, as mp4 or GIF.

Each frame is the scene before a step. The world is replayed and proved to be the recorded one; of
imported episodes the recorded images are shown.

examples:
  policyscope export runs/rec 3 --to mp4
  policyscope export runs/rec 3 --out jump.gif --steps 10:60 --overlay boxes action --target value
  policyscope export runs/rec 3 --to gif --size 256 --fps 15
"""
_RANGE = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope export --to mp4|gif``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder of a recording, or its URL."""
    episode: Annotated[int | None, tyro.conf.Positional, tyro.conf.arg(metavar="[EPISODE]")] = None
    """Number of the episode; default is the first."""
    to: Literal["mp4", "gif"] = "mp4"
    """The form."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File to write; default is beside the recording: RECORDING-EPISODE.mp4 or .gif."""
    steps: str = ":"
    """Steps to show, FIRST:END without END, e.g. 10:60; all unless given."""
    overlay: tuple[Literal["boxes", "action", "reward", "values"], ...] = (
        "boxes", "action", "reward", "values",
    )  # fmt: skip
    """What is drawn: boxes of objects, the action, rewards and the end, the action values."""
    target: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Target whose number and trace stand below the scene; may be given several times."""
    size: int = 480
    """Side of the scene in pixels."""
    fps: float = 5
    """Decisions shown per second; a GIF shows at most 50."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope export --to mp4|gif``."""
    args = parse(Args, argv, "export", EXAMPLES)
    steps = parse_steps(args.steps)
    if not 0 < args.fps <= 240:
        raise PolicyscopeError(f"--fps must lie above 0 and be at most 240, got {args.fps:g}")
    form = form_of(argv)
    if args.out and args.out.suffix.lower() != f".{form}":
        raise PolicyscopeError(f"--out of a clip ends with .{form}, got {args.out}")
    if args.out is None:
        require_folder(args.recording, "FILE")
    from rich.console import Console

    from policyscope.recordings.clips.video import write_video
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    if not len(recording):
        raise PolicyscopeError("the recording holds no finished episode")
    episode = args.episode
    if episode is None:
        episode = int(recording.episodes["episode"].iloc[0])
    out = args.out or beside(args.recording, f"-{episode}.{form}")
    drawn: list[int] = []
    with progress_bar() as bar:
        task = bar.add_task("drawing frames", total=None)

        def drew(number: int) -> None:
            drawn.append(number)
            bar.advance(task)

        write_video(
            recording, episode, out, size=args.size, fps=args.fps, overlays=args.overlay,
            targets=args.target, steps=steps, progress=drew,
        )  # fmt: skip
    told = f"{len(drawn)} steps of episode {episode}, {out.stat().st_size / 1e6:.2f} MB"
    Console(highlight=False, soft_wrap=True, markup=False).print(f"wrote {out}: {told}")
    return 0


def parse_steps(text: str) -> range | None:
    """A range of steps from ``FIRST:END``; None for all of them.

    Raises:
        PolicyscopeError: another text.

    Example:
        >>> parse_steps("10:60"), parse_steps(":")
        (range(10, 60), None)
    """
    found = _RANGE.fullmatch(text.strip())
    if not found:
        raise PolicyscopeError(f"--steps is written FIRST:END, e.g. 10:60, got '{text}'")
    if found[0] == ":":
        return None
    return range(int(found[1] or 0), int(found[2]) if found[2] else 2**31)
