"""Methods that cover, blur or take away, as answers to a question about decisions."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import Baseline, activations
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.groups import (
    Groups,
    blocks,
    units,
    vehicle_features,
    vehicles,
)
from policyscope.attribution.asking.score import INPUT
from policyscope.attribution.config import (
    ENTITIES,
    MOST_COSTLY,
    MOST_PLAYERS,
    AttributionConfig,
    row_of_features,
)
from policyscope.attribution.methods.asked import Asked
from policyscope.attribution.methods.perturbation import (
    blur_perturbation,
    occlusion,
    removal,
    removals,
    windows,
)
from policyscope.attribution.methods.sarfa import sarfa
from policyscope.attribution.methods.shapley import Shapley, shapley_values
from policyscope.attribution.methods.told import Told, relative
from policyscope.attribution.trust.levels import side_of
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import tail


def players(asked: Asked) -> tuple[Groups, tuple[int, ...]]:
    """Groups of a site that mean something, and the shape of a number for each.

    Blocks of places of a map; vehicles of an observation but the ego, which stays; else units.
    """
    shape = tuple(asked.rest.activation.shape[1:])
    if len(shape) == 3:
        side = side_of(shape, asked.config.window)
        down, across = (-(-extent // side) for extent in shape[1:])
        return blocks(shape, side), (down, across)
    if len(shape) == 2 and asked.site == INPUT and shape[0] > 1:
        return vehicles(shape), (shape[0] - 1, 1)
    return units(shape), shape


def occluded(asked: Asked) -> Told:
    """What the target loses when a window, or one number, is covered."""
    rest = asked.rest
    if rest.activation.dim() == 4:
        window = side_of(rest.activation.shape[1:], asked.config.window)
        found = occlusion(rest, window, max(window // 2, 1), asked.start)
        return {"attribution": found.places.spread(found.change)}
    shape = rest.activation.shape[1:]
    return {"attribution": removal(rest, units(shape), asked.start).change.unflatten(1, shape)}


def blurred(asked: Asked) -> Told:
    """What the target loses when a map is blurred around a place.

    Raises:
        PolicyscopeError: the site puts out no map.
    """
    shape = tuple(asked.rest.activation.shape[1:])
    if len(shape) != 3:
        raise PolicyscopeError(
            f"blur needs a map of channels, rows and columns; site '{asked.site}' has shape "
            f"{shape}: take --method occlusion or shapley"
        )
    found = blur_perturbation(asked.rest)
    return {"attribution": found.places.spread(found.change)}


def relevant(asked: Asked) -> Told:
    """What an action depends on: places of a map, vehicles, or units.

    Raises:
        PolicyscopeError: the scores of the actions are not known.
    """
    if asked.scores is None:
        raise PolicyscopeError("SARFA needs the scores of all actions: make the question with ask")
    scores = replace(asked.scores, rest=asked.rest)
    seen = asked.rest.activation
    if seen.dim() == 4:
        window = side_of(seen.shape[1:], asked.config.window)
        places = windows(seen, window, max(window // 2, 1), asked.start)
        found = sarfa(scores, places, asked.action)
        return {"attribution": places.spread(found.saliency)}
    groups, form = players(asked)
    found = sarfa(scores, removals(seen, groups, asked.start), asked.action)
    return {"attribution": found.saliency.unflatten(1, form)}


def shared_out(asked: Asked) -> Told:
    """Shapley values: exact in rows where few players differ, else sampled, with an error.

    Raises:
        PolicyscopeError: players that the site has not.
    """
    if asked.config.players:
        found, values = _of_one_vehicle(asked)
    else:
        groups, form = players(asked)
        found = _shapley(asked, groups)
        values = found.values.unflatten(1, form)
    return {
        "attribution": values, "change": found.change, "gap": found.gap,
        "passes": found.passes, "error": relative(found.error, found.values),
    }  # fmt: skip


def _shapley(asked: Asked, groups: Groups) -> Shapley:
    config, most = asked.config, asked.config.exact
    if most is None:
        most = MOST_COSTLY if asked.rest.activation.dim() == 4 else MOST_PLAYERS
    return shapley_values(asked.rest, groups, asked.start, config.samples, config.seed, most)


def _of_one_vehicle(asked: Asked) -> tuple[Shapley, torch.Tensor]:
    """Features of a vehicle, which stays in sight; nothing is said of the others, who stay too."""
    row = row_of_features(asked.config.players)
    shape = tuple(asked.rest.activation.shape[1:])
    if row is None:
        raise PolicyscopeError(
            f"players '{ENTITIES}' are drawn in recorded scenes, not covered in observations; this "
            "question takes observations: from Python take methods.by_scene.entity_shapley"
        )
    if asked.site != INPUT or len(shape) != 2 or shape[0] < 2:
        raise PolicyscopeError(
            f"players '{asked.config.players}' are features of vehicles that are observed; site "
            f"'{asked.site}' has shape {shape}: leave out --attribution.players"
        )
    groups, rest = vehicle_features(shape, row), asked.rest
    # A path of features may not cross the mask: whoever's presence is taken away is seen as before.
    held = tail(rest.modules, rest.site, rest.run, len(rest.activation))
    held = replace(held, activation=rest.activation)
    found = _shapley(replace(asked, rest=held), groups)
    values = torch.zeros_like(rest.activation, dtype=torch.float64)
    values[:, row] = found.values.to(values)
    return found, values


def of_one_vehicle(
    agent: Agent, chosen: Chosen, site: str, config: AttributionConfig, start: Baseline
) -> Baseline:
    """The baseline of a vehicle's features: everybody else is as recorded.

    Args:
        agent: whose decisions they are.
        chosen: N decisions.
        site: the observation; of another site the baseline is left as it is.
        config: names the vehicle.
        start: the baseline of everybody.
    """
    row = row_of_features(config.players)
    if site != INPUT or row is None:
        return start
    kept = activations(agent, chosen.decisions, [site])[site].clone()
    if kept.dim() == 3 and row < kept.shape[1]:
        kept[:, row] = start.at(site, kept)[:, row]
    told = f"{start.description} in row {row} of the observation, all else as recorded"
    return replace(start, values={**start.values, site: kept}, description=told)


def only_its_features(
    values: Float[np.ndarray, "N V F"], config: AttributionConfig
) -> Float[np.ndarray, "N V F"]:
    """Values of the vehicle whose features are players; NaN for all others, who are none.

    Args:
        values: of all rows.
        config: names the vehicle.
    """
    others = np.arange(values.shape[1]) != row_of_features(config.players)
    return np.where(others[:, None], np.nan, values)
