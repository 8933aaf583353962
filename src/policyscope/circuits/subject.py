"""What an explanation is about: the recording, its agent, and the line that makes it again."""

from pathlib import Path
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.core.errors import UnknownName


def agent_of(recording: Any) -> Agent | None:
    """The recorded agent; None where the recording's ``agent`` folder is gone.

    Raises:
        BadFile: the folder is there and damaged.
    """
    try:
        return recording.agent
    except UnknownName as error:
        if error.kind != "agent":  # an agent.json that names an unknown network is damaged
            raise
        return None


def subject(recording: Any) -> dict[str, Any]:
    """What was explained, as JSON values that hold on every machine.

    Args:
        recording: an opened recording.

    Returns:
        name of its folder, environment, episodes it holds, seed of its episode 0, and weights,
        the SHA-256 of the weights and architecture that were recorded.
    """
    plan = recording.plan
    return {
        "name": _name(recording),
        "env": plan.env.id,
        "episodes": len(recording.episodes),
        "seed": plan.seed,
        "weights": plan.weights,
    }


def python_line(function: str, recording: Any, *given: str) -> str:
    """The call that makes a result again, beside the recording's folder."""
    return f"{function}({', '.join([f'open_recording({_name(recording)!r})', *given])})"


def _name(recording: Any) -> str:
    return Path(recording.path).resolve().name
