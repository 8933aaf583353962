"""Methods that cover, blur or take away, as answers to a question about decisions."""

from dataclasses import replace

from policyscope.attribution.asking.groups import Groups, blocks, units, vehicles
from policyscope.attribution.asking.score import INPUT
from policyscope.attribution.methods.asked import Asked
from policyscope.attribution.methods.perturbation import (
    blur_perturbation,
    occlusion,
    removal,
    removals,
    windows,
)
from policyscope.attribution.methods.sarfa import sarfa
from policyscope.attribution.methods.shapley import MOST_PLAYERS, exact_shapley, sampled_shapley
from policyscope.attribution.methods.told import Told, relative
from policyscope.attribution.trust.levels import side_of
from policyscope.core.errors import PolicyscopeError


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
    """What the target loses when a map is blurred around a place."""
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
    """Shapley values: exact up to 16 players, else sampled, with their error."""
    groups, form = players(asked)
    if len(groups) <= MOST_PLAYERS:
        found = exact_shapley(asked.rest, groups, asked.start)
    else:
        samples, seed = asked.config.samples, asked.config.seed
        found = sampled_shapley(asked.rest, groups, asked.start, samples, seed)
    return {
        "attribution": found.values.unflatten(1, form), "change": found.change, "gap": found.gap,
        "passes": found.passes, "error": relative(found.error, found.values),
    }  # fmt: skip
