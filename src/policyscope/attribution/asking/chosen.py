"""The decisions of a recording that are explained."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from policyscope.agents.agent import Agent
from policyscope.agents.memory import from_flat_rows
from policyscope.attribution.asking.score import Decisions
from policyscope.core.errors import PolicyscopeError
from policyscope.recordings.arrays.steps import rows_of_episode


@dataclass(frozen=True, eq=False)
class Chosen:
    """N decisions of a recording.

    Args:
        decisions: what was seen, remembered and done.
        episode: (N,) number of the episode of each.
        step: (N,) its step.
        identity: (N, V) whom each row of the observation shows, -1 nobody; None without such rows.
    """

    decisions: Decisions
    episode: Int[np.ndarray, " N"]
    step: Int[np.ndarray, " N"]
    identity: Int[np.ndarray, "N V"] | None


def choose(
    recording: Any,
    agent: Agent,
    episode: int | None = None,
    step: int | None = None,
    most: int = 512,
    seed: int = 0,
) -> Chosen:
    """Decisions of a recording, of an episode of it, or a single one.

    Args:
        recording: an opened recording.
        agent: the recorded agent.
        episode: number of an episode; default is all.
        step: of that episode; default is all of its steps.
        most: decisions; more are thinned out at random, in order.
        seed: of that draw.

    Raises:
        UnknownName: no such episode.
        PolicyscopeError: no such step, a recording without a step, or one that holds no
            observations.

    Cost: reads the observations of the episodes in which a decision was drawn.
    """
    if step is not None and episode is None:
        raise PolicyscopeError("a step belongs to an episode; give both")
    table = recording.episodes.sort_values("episode")
    numbers = [int(k) for k in table["episode"]] if episode is None else [episode]
    lengths = [int(n) for n in table["steps"]]
    if episode is not None:
        lengths = [int(recording.line(episode)["steps"])]
    if step is not None and not 0 <= step < lengths[0]:
        raise PolicyscopeError(
            f"episode {episode} has steps 0 to {lengths[0] - 1}, there is no step {step}"
        )
    at = (
        np.stack([np.repeat(numbers, lengths), np.concatenate([np.arange(n) for n in lengths])])
        if numbers
        else np.empty((2, 0), int)
    )
    if step is not None:
        at = at[:, step : step + 1]
    if not at.shape[1]:
        raise PolicyscopeError(f"{recording.path} holds no step to explain")
    if at.shape[1] > most:
        at = at[:, np.sort(np.random.default_rng(seed).choice(at.shape[1], most, replace=False))]
    columns = _columns(recording, at)
    state = None
    if agent.recurrent:
        if "state_in" not in columns:
            raise PolicyscopeError(
                f"{recording.path} does not hold the agent's memory; record it with this version"
            )
        state = from_flat_rows(columns["state_in"], agent.initial_state(1))
    obs, taken = (torch.from_numpy(np.ascontiguousarray(columns[k])) for k in ("obs", "action"))
    return Chosen(
        Decisions(obs.to(agent.device), state, taken.to(agent.device)), at[0], at[1],
        columns.get("row_identity"),
    )  # fmt: skip


def _columns(recording: Any, at: Int[np.ndarray, "2 N"]) -> dict[str, np.ndarray]:
    wanted = [n for n in ("obs", "action", "state_in", "row_identity") if n in recording.names]
    if "obs" not in wanted:
        raise PolicyscopeError(f"{recording.path} holds no observations")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    for k in np.unique(at[0]):
        own = at[1][at[0] == k]
        first = int(own.min())
        steps = rows_of_episode(recording, int(k), first, int(own.max()) - first + 1)
        for name in wanted:
            parts[name].append(steps.column(name)[own - first])
    return {name: np.concatenate(values) for name, values in parts.items()}
