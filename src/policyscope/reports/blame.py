"""The attribution of a report: shares by entity beside what their removal does, and its trust."""

from dataclasses import replace

import numpy as np
import pandas as pd

from policyscope.attribution.asking.targets import default_target
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results.entities import named
from policyscope.attribution.results.entity_shares import adds_up, by_entity
from policyscope.attribution.trust.removals import removal_effects
from policyscope.core.errors import PolicyscopeError
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.worlds import Worlds
from policyscope.reports.parts import Blame

#: Units that are told where there are no entities.
UNITS = 12


def method_for(recording: Recording, site: str) -> str:
    """The method that a report takes where none is asked for.

    Shapley values where the observation is a table of vehicles: of all methods they rank them most
    as their removal from the scene does.

    Args:
        recording: an opened recording.
        site: what it is attributed to.
    """
    table = len(recording.space.obs_shape) == 2 and recording.space.features
    return "shapley" if table and site == "preprocess" else "integrated_gradients"


def blame_of(
    recording: Recording, episode: int, step: int, config: AttributionConfig, worlds: Worlds
) -> Blame:
    """Attribute one decision, and measure how far that holds on decisions of the recording.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.
        config: target, method and site; its ``rows`` are the decisions that trust is measured on.
        worlds: worlds kept from earlier questions.

    Raises:
        UnknownName: no such site, action or output.
        PolicyscopeError: the target does not depend on the site, or looks ahead.
    """
    config = replace(config, initialisations=0)  # what they give is not shown
    one = attribute(recording, replace(config, trust=False), episode, step)
    many = attribute(recording, config)
    table = named(by_entity(recording, one.data), adds_up(one.data))
    table["effect"] = np.nan
    if len(table):
        try:
            found = removal_effects(
                recording, parse_target(one.data.attrs["target"]), episode, step, worlds
            )
            effects = dict(zip(found.identity.tolist(), found.effect.tolist(), strict=True))
            table["effect"] = [effects.get(who, np.nan) for who in table["identity"]]
        except PolicyscopeError:  # the shares stand without them
            pass
    order = np.argsort(-np.abs(table["share"].to_numpy(float)), kind="stable")
    return Blame(
        one, table.iloc[order].reset_index(drop=True), _units(one) if table.empty else [],
        list(many.data.attrs["trust"]), int(many.data.sizes["row"]),
        _against_mean(recording, one.data.attrs["target"]),
    )  # fmt: skip


def removable(entities: pd.DataFrame) -> pd.DataFrame:
    """Entities that can be taken out of the scene, those blamed most first.

    Args:
        entities: of a ``Blame``.
    """
    return entities[np.isfinite(entities["effect"].to_numpy(float))]


def _against_mean(recording: Recording, target: str) -> bool:
    """Whether a target compares the chosen action's Q-value with the mean over all actions."""
    agent = recording.agent
    return agent.head == "q" and parse_target(target) == parse_target(default_target(agent))


def _units(result: Result) -> list[tuple[str, float]]:
    """The units with the greatest values, named by their place along the axes."""
    data = result.data["attribution"].isel(row=0)
    flat = data.values.ravel()
    order = np.argsort(-np.abs(flat), kind="stable")[:UNITS]
    found = []
    for unit in order:
        place = np.unravel_index(unit, data.shape)
        names = [
            str(data[dim].values[i]) if dim in data.coords else str(i)
            for dim, i in zip(data.dims, place, strict=True)
        ]
        name = ", ".join(names)
        found.append((name if name[0].isalpha() else f"unit {name}", float(flat[unit])))
    return found
