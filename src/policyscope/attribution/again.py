"""The lines of Python that make an attribution again."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from policyscope.attribution.config import AttributionConfig
from policyscope.recordings.subject import python_line


def again(
    method: Callable[..., Any],
    recording: Any,
    config: AttributionConfig,
    episode: int | None,
    step: int | None,
) -> str:
    """Lines that make a result again as ``result``.

    Args:
        method: ``attribute`` or ``audit``.
        recording: an opened recording.
        config: options; those that are as usual are left out.
        episode: number of the episode, if one was chosen.
        step: of that episode.
    """
    changed = [
        f"{k}={v!r}" for k, v in asdict(config).items() if v != getattr(AttributionConfig, k)
    ]
    given = [f"AttributionConfig({', '.join(changed)})"] if changed else []
    where = {"episode": episode, "step": step}
    given += [f"{k}={v}" for k, v in where.items() if v is not None]
    return python_line(method, recording, given, [AttributionConfig] if changed else [])
