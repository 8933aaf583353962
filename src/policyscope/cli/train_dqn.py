"""``policyscope train dqn``: double DQN."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from policyscope.cli.flags import parse
from policyscope.cli.training import require_least, run_training

EXAMPLES = """Train an agent with double DQN.

examples:
  policyscope train dqn --preset fast --steps 100000 --seed 0 --out runs/fast-0
  policyscope train dqn --preset paper --steps 40000 --checkpoints 6 --out runs/paper-0
  policyscope train dqn --env gym:CartPole-v1 --preset fast --set gamma=0.99 --out runs/cartpole
  policyscope train dqn ... --resume        go on after a kill or Ctrl-C, to the same weights
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope train dqn``."""

    out: Path
    """Folder of the run; itself a loadable agent."""
    env: str = "highway/intersection"
    """Environment: a name of ours or gym:ID."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    preset: Literal["paper", "fast"] = "fast"
    """Hyperparameters to start from."""
    set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Hyperparameter to change, name=value; may be repeated. Their names stand below."""
    steps: int = 100_000
    """Environment steps."""
    seed: int = 0
    """Seed of weights, exploration, replay and environments."""
    checkpoints: int = 6
    """Evenly spaced weights to keep."""
    save_every: int = 5_000
    """Environment steps between saved states."""
    workers: int | None = None
    """Environment processes, for speed only; default: none for one lane, else one a core."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the network learns."""
    resume: bool = False
    """Go on from the newest saved state in --out."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope train dqn``."""
    from policyscope.training.dqn.config import PRESETS
    from policyscope.training.settings import configure, settings_help

    args = parse(Args, argv, "train dqn", EXAMPLES, lambda: settings_help(PRESETS))
    require_least(
        {"steps": (args.steps, 1), "seed": (args.seed, 0), "workers": (args.workers or 0, 0),
         "checkpoints": (args.checkpoints, 0), "save-every": (args.save_every, 1)}
    )  # fmt: skip
    config = configure(PRESETS, args.preset, args.set)
    from policyscope.cli.device import choose_device
    from policyscope.envs.make import parse_env
    from policyscope.training.dqn.train import Plan, train

    workers = args.workers
    if workers is None:
        workers = 0 if config.lanes == 1 else min(os.cpu_count() or 1, config.lanes)
    plan = Plan(
        env=parse_env(args.env, args.env_set),
        config=config,
        steps=args.steps,
        seed=args.seed,
        out=args.out,
        checkpoints=args.checkpoints,
        save_every=args.save_every,
        workers=workers,
        device=choose_device(args.device),
        command="policyscope train dqn " + shlex.join(argv),
    )
    return run_training(lambda: train(plan, args.resume), args.out, args.env)
