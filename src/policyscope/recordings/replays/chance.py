"""The null of changes of activations, drawn from what the recording shows of their sites."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.memory import from_flat_rows
from policyscope.core.edits import Edit
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.nulls import null
from policyscope.recordings.arrays.steps import of_episode
from policyscope.recordings.read import Recording

EPISODES, ROWS, TRIES = 16, 512, 200


def draws(
    recording: Recording, agent: Agent, edits: Sequence[Edit], count: int, seed: int
) -> list[list[Edit]]:
    """Edits that should matter no more than chance, each list in place of the given one.

    Args:
        recording: whose decisions the activity of sites is measured on, 512 of 16 episodes.
        agent: the recorded one.
        edits: changes of activations.
        count: how many lists.
        seed: of the draws.

    Raises:
        UnknownName: no such site.
        PolicyscopeError: an edit leaves nothing else to draw.
    """
    if not edits or not count:
        return []
    seen = _activations(recording, agent, list(dict.fromkeys(edit.site for edit in edits)))
    rng = np.random.default_rng(seed)
    return [_draw(edits, rng, seen) for _ in range(count)]


def _draw(
    edits: Sequence[Edit], rng: np.random.Generator, seen: Mapping[str, torch.Tensor]
) -> list[Edit]:
    """One draw for each edit; no edited unit is among them, and none is drawn twice."""
    edited = set(_units(edits))
    for _ in range(TRIES):
        drawn = [null(edit, 1, rng, seen)[0] for edit in edits]
        units = _units(e for e in drawn if e.kind != "patch")
        if len(set(units)) == len(units) and not edited & set(units):
            return drawn
    raise PolicyscopeError(
        "the sites have too few units besides the edited ones for a null; ask without (--null 0)"
    )


def _units(edits: Iterable[Edit]) -> list[tuple[str, Any]]:
    return [(edit.site, unit) for edit in edits for unit in edit.index or ()]


@torch.no_grad()
def _activations(recording: Recording, agent: Agent, sites: list[str]) -> dict[str, torch.Tensor]:
    numbers = sorted(int(k) for k in recording.episodes["episode"])
    some = numbers[:: max(1, len(numbers) // EPISODES)][:EPISODES]
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in sites}
    for k in some:
        steps = of_episode(recording, k)
        rows = np.unique(np.linspace(0, len(steps) - 1, ROWS // len(some)).astype(int))
        state = agent.initial_state(len(rows))
        if agent.recurrent:
            state = from_flat_rows(steps.column("state_in")[rows], state)
        with capture(agent.modules(), sites) as seen:
            agent.forward(torch.from_numpy(steps.column("obs")[rows]), state)
        for name in sites:
            parts[name].append(seen[name].detach())
    return {name: torch.cat(pieces) for name, pieces in parts.items()}
