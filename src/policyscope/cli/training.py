"""What the verbs that train share."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from policyscope.cli.loading import interruptible, load_for_training
from policyscope.core.errors import PolicyscopeError

if TYPE_CHECKING:
    from policyscope.agents.agent import Agent


def require_least(flags: Mapping[str, tuple[int, int]]) -> None:
    """Refuse flags below their least values.

    Raises:
        PolicyscopeError: with the flag and what it must be.
    """
    for flag, (value, least) in flags.items():
        if value < least:
            raise PolicyscopeError(f"--{flag} must be at least {least}, got {value}")


def run_training(train: "Callable[[], Agent]", out: Path, env: str) -> int:
    """Train, say what was trained, and say how to go on after Ctrl-C.

    Args:
        train: trains in ``out``.
        out: folder of the run.
        env: name of the environment.
    """
    load_for_training(env)
    try:
        with interruptible():
            agent = train()
    except KeyboardInterrupt:
        sys.stderr.write(f"{_interrupted(out)}\n")
        return 130
    ended = agent.card["episodes"]
    sys.stderr.write(
        f"trained {out}: {agent.card['steps']:,} steps, {ended:,} episode{'s' * (ended != 1)}; "
        f"next: policyscope evaluate {out}\n"
    )
    return 0


def _interrupted(out: Path) -> str:
    if not (out / "run.json").is_file():
        return "interrupted before the training began"
    if any(out.glob("state-*")):
        return f"interrupted; give the same command with --resume to go on in {out}"
    told = "interrupted before the first saved state"
    return f"{told}; give the same command with --resume to begin anew in {out}"
