"""``policyscope train ppo``: proximal policy optimisation."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from policyscope.cli.flags import parse
from policyscope.cli.training import require_least, run_training
from policyscope.core.errors import PolicyscopeError

EXAMPLES = """Train an agent with proximal policy optimisation, from images or flat observations.

With --teacher, an agent's policy and value are an extra loss that fades to zero, which makes strong
agents possible without a cluster.

examples:
  policyscope train ppo --env procgen/coinrun --mode easy --steps 1000000 --out runs/coinrun
  policyscope train ppo --env procgen/coinrun --levels 0:100000 --preset procgen-recurrent \\
      --teacher runs/coinrun --set teacher_steps=300000 --steps 1500000 --out runs/coinrun-gru
  policyscope train ppo --env gym:CartPole-v1 --preset classic --steps 50000 --out runs/cartpole
  policyscope train ppo ... --resume        go on after a kill or Ctrl-C, to the same weights
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope train ppo``."""

    out: Path
    """Folder of the run; itself a loadable agent."""
    env: str = "procgen/coinrun"
    """Environment: a name of ours or gym:ID."""
    mode: str | None = None
    """Mode of a Procgen game, e.g. easy or hard; short for --env-set mode=..."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    levels: str | None = None
    """Training levels A:B, from A to before B; default 0:200000 where there are levels."""
    preset: Literal["procgen", "procgen-recurrent", "classic"] = "procgen"
    """Hyperparameters to start from."""
    set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Hyperparameter to change, name=value; may be repeated. Their names stand below."""
    teacher: str | None = None
    """Agent to imitate at first, until --set teacher_steps=N."""
    start: str | None = None
    """Agent to go on from: its weights are the first ones, not fresh ones."""
    start_weights: str | None = None
    """Other weights of --start, e.g. checkpoints/step_0050000."""
    steps: int = 1_000_000
    """Environment steps."""
    seed: int = 0
    """Seed of weights, actions, order and episodes."""
    checkpoints: int = 3
    """Evenly spaced weights to keep."""
    save_every: int = 50_000
    """Environment steps between saved states."""
    watch_every: int = 100_000
    """Environment steps between two looks at held-out episodes; 0 for never."""
    watch_episodes: int = 100
    """Episodes of each look."""
    threads: int | None = None
    """Threads of torch; default: one a core. Weights depend on it in the last digits."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the network learns."""
    resume: bool = False
    """Go on from the newest saved state in --out."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope train ppo``."""
    from policyscope.training.ppo.config import PRESETS
    from policyscope.training.settings import configure, settings_help

    args = parse(Args, argv, "train ppo", EXAMPLES, lambda: settings_help(PRESETS))
    threads = (os.cpu_count() or 1) if args.threads is None else args.threads
    require_least(
        {"steps": (args.steps, 1), "seed": (args.seed, 0), "threads": (threads, 1),
         "checkpoints": (args.checkpoints, 0), "save-every": (args.save_every, 1),
         "watch-every": (args.watch_every, 0), "watch-episodes": (args.watch_episodes, 1)}
    )  # fmt: skip
    config = configure(PRESETS, args.preset, args.set)
    if args.start_weights and not args.start:
        raise PolicyscopeError("--start-weights belongs to --start; give both, or leave it out")
    if args.start and config.unit_variance:
        raise PolicyscopeError("unit_variance makes first weights; with --start there are some")
    from policyscope.cli.device import choose_device
    from policyscope.cli.environment import with_mode
    from policyscope.envs.make import parse_env
    from policyscope.training.ppo.train import Plan, train
    from policyscope.training.watched import Watching

    plan = Plan(
        env=with_mode(parse_env(args.env, args.env_set), args.mode),
        config=config,
        steps=args.steps,
        seed=args.seed,
        out=args.out,
        levels=_levels(args.levels),
        teacher=args.teacher,
        start=args.start,
        start_weights=args.start_weights,
        checkpoints=args.checkpoints,
        save_every=args.save_every,
        watching=Watching(args.watch_every, args.watch_episodes),
        threads=threads,
        device=choose_device(args.device),
        command="policyscope train ppo " + shlex.join(argv),
    )
    return run_training(lambda: train(plan, args.resume), args.out, args.env)


def _levels(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, colon, end = text.partition(":")
    if not (colon and first.isdecimal() and end.isdecimal()):
        raise PolicyscopeError(f"--levels is written A:B with whole numbers, got '{text}'")
    return int(first), int(end)
