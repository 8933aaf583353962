"""Who shares a change out, by name: what each kind of players asks, shows and can be judged by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.answering import answered
from policyscope.attribution.methods.asked import require_players
from policyscope.attribution.methods.by_perturbation import of_one_vehicle, only_its_features
from policyscope.attribution.methods.by_scene import entity_shapley, without_entities
from policyscope.attribution.methods.told import Told
from policyscope.core.target_parser import Target


def _as_it_is(
    agent: Agent, chosen: Chosen, site: str, config: AttributionConfig, start: Baseline
) -> Baseline:
    return start


def _all(values: Float[np.ndarray, "N ..."], config: AttributionConfig) -> np.ndarray:
    return values


def _of_units(
    recording: Any, target: Target, chosen: Chosen, site: str, config: AttributionConfig,
    start: Baseline,
) -> tuple[Told, bool]:  # fmt: skip
    every = np.arange(len(chosen.decisions))
    return answered(recording.agent, target, chosen, site, config, start, every)


def _of_scenes(
    recording: Any, target: Target, chosen: Chosen, site: str, config: AttributionConfig,
    start: Baseline,
) -> tuple[Told, bool]:  # fmt: skip
    return entity_shapley(recording, recording.agent, target, chosen, config), True


@dataclass(frozen=True)
class Players:
    """What some players change in a question and in what is shown of it.

    Args:
        compared: (agent, chosen, site, config, baseline) -> what they are compared with.
        answer: (recording, target, chosen, site, config, baseline) -> what the method says of the
            decisions, and whether all of the target flows through the site.
        shown: (values, config) -> values, NaN where nobody plays.
        units: whether they are units of the site, which can be covered, and which untrained
            networks have too.
        entities: whether they are entities, which can be taken out of a scene.
    """

    compared: Callable[[Agent, Chosen, str, AttributionConfig, Baseline], Baseline] = _as_it_is
    answer: Callable[..., tuple[Told, bool]] = _of_units
    shown: Callable[[np.ndarray, AttributionConfig], np.ndarray] = _all
    units: bool = True
    entities: bool = True


_PLAYERS = {
    "": Players(),
    "features": Players(of_one_vehicle, shown=only_its_features, entities=False),
    "entities": Players(without_entities, _of_scenes, units=False),
}


def players_of(config: AttributionConfig) -> Players:
    """The players that options name; those of the site where they name none.

    Args:
        config: with ``players``.

    Raises:
        PolicyscopeError: the method is not that of Shapley values.
    """
    require_players(config)
    return _PLAYERS[config.players.partition(":")[0]]
