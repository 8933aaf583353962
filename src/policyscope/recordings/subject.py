"""What an explanation is about: the recording, its agent, and the line that makes it again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.core.errors import UnknownName
from policyscope.recordings.read import open_recording


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


def python_line(
    method: Callable[..., Any], recording: Any, given: Sequence[str] = (), uses: Sequence[type] = ()
) -> str:
    """Lines that make a result again as ``result``, run where the recording's path holds.

    Args:
        method: function that explains.
        recording: opened; an absolute path is cut to its last part, as in ``provenance``.
        given: its arguments after the recording.
        uses: classes that the arguments are made of.

    Example:
        >>> print(python_line(traces, recording, ["'out'", "0"]))  # doctest: +SKIP
        from policyscope.circuits.traces import traces
        from policyscope.recordings.read import open_recording
        <BLANKLINE>
        result = traces(open_recording('runs/rec'), 'out', 0)
    """
    named: list[Any] = [method, open_recording, *uses]
    imports = sorted(f"from {it.__module__} import {it.__name__}" for it in named)
    path = Path(recording.path)
    typed = _name(recording) if path.is_absolute() else path.as_posix()
    partial = "" if getattr(recording, "finished", True) else ", partial=True"
    arguments = ", ".join([f"open_recording({typed!r}{partial})", *given])
    return "\n".join([*imports, "", f"result = {method.__name__}({arguments})"])


def _name(recording: Any) -> str:
    return Path(recording.path).resolve().name
