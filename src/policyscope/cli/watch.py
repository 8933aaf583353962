"""``policyscope watch``: write videos of an agent with its action values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import tyro

from policyscope.cli.bar import progress_bar
from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError

EXAMPLES = """Write mp4 videos of an agent: the scene before each step beside its action values.

examples:
  policyscope watch highway-ego-attention --episodes 3 --seed 0 --out videos
  policyscope watch runs/fast-0 --weights initial --out videos/untrained
  policyscope watch coinrun-gru --overlay boxes action values --target value --out videos
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope watch``."""

    agent: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="AGENT")]
    """Folder of an agent or of a training run, or a shipped agent's name."""
    out: Path
    """Folder for the videos, one an episode; those of the same seeds are replaced."""
    episodes: int = 3
    """Episodes to show."""
    seed: int = 0
    """Seed of the first episode; the others follow."""
    env: str | None = None
    """Another environment than the agent's own: a name of ours or gym:ID."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    mode: str | None = None
    """Mode of a Procgen environment, e.g. easy; short for --env-set mode=easy."""
    act: str | None = None
    """greedy or sample; default is the agent's own mode."""
    weights: str | None = None
    """Other weights of the same folder: initial or checkpoints/NAME."""
    size: int = 480
    """Side of the scene in pixels."""
    fps: float = 2
    """Decisions shown per second."""
    overlay: tuple[Literal["boxes", "action", "reward", "values"], ...] = ("values",)
    """What is drawn: boxes of objects, the action, rewards and the end, the action values."""
    target: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Target whose number and trace stand below the scene; may be given several times."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope watch``."""
    args = parse(Args, argv, "watch", EXAMPLES)
    if not 0 < args.fps <= 240 or not 32 <= args.size <= 4096:
        raise PolicyscopeError(
            "--fps must lie above 0 and be at most 240, --size between 32 and 4096"
        )
    if find_spec("av") is None:
        raise MissingPart("av", "video")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(args.out, f"cannot be made: {error.strerror}") from None
    from rich.console import Console

    from policyscope.agents.store import load_agent
    from policyscope.cli.environment import choose_env
    from policyscope.recordings.clips.video import write_video
    from policyscope.recordings.record import record

    console = Console(highlight=False, soft_wrap=True)
    agent = load_agent(args.agent, args.weights)
    env = choose_env(agent, args.env, args.env_set, args.mode)
    with TemporaryDirectory() as folder, progress_bar() as bar:
        task = bar.add_task("playing the episodes", total=None)
        recording = record(
            agent, env, args.episodes, args.seed, (), Path(folder) / "recording", act=args.act
        )
        frames = int(recording.episodes["steps"].sum())
        bar.reset(task, description="drawing frames", total=frames)
        for number, row in enumerate(recording.episodes.to_dict("records")):
            path = args.out / f"seed_{row['seed']:05}.mp4"
            try:
                write_video(
                    recording, int(row["episode"]), path, size=args.size, fps=args.fps,
                    progress=lambda _: bar.advance(task), overlays=args.overlay,
                    targets=args.target,
                )  # fmt: skip
            except KeyboardInterrupt:
                told = f"interrupted; videos kept in {args.out}: {number}"
                raise KeyboardInterrupt(told if number else "") from None
            bar.stop()  # a line on stdout and a bar on stderr would run into each other
            told = f"{row['steps']} steps, return {row['return']:.2f}, {row['outcome']}"
            console.print(f"{path}: {told}, {recording.act}", markup=False)
            bar.start()
    return 0
