"""Methods that take gradients, as answers to a question about decisions."""

from jaxtyping import Int
from torch import Tensor

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.asked import Asked
from policyscope.attribution.methods.conductance import layer_conductance
from policyscope.attribution.methods.curved import curved_gradients
from policyscope.attribution.methods.gradients import (
    grad_cam,
    gradient,
    input_times_gradient,
    smooth_gradient,
)
from policyscope.attribution.methods.paths import integrated_gradients
from policyscope.attribution.methods.refining import (
    FINEST,
    At,
    Refined,
    missed_by,
    of_rows,
    row_by_row,
    too_much,
)
from policyscope.attribution.methods.told import Told, relative
from policyscope.core.errors import PolicyscopeError


def integrated(asked: Asked) -> Told:
    """Integrated gradients, with their gap."""
    config = asked.config
    found = integrated_gradients(
        asked.rest, asked.start, config.rule, config.steps, config.tolerance
    )
    return {
        "attribution": found.values, "change": found.change, "gap": found.gap,
        "missed": found.missed, "steps": found.steps,
    }  # fmt: skip


def slope(asked: Asked) -> Told:
    """The gradient."""
    return {"attribution": gradient(asked.rest)}


def multiplied(asked: Asked) -> Told:
    """The gradient times the difference to the baseline."""
    return {"attribution": input_times_gradient(asked.rest, asked.start)}


def smooth(asked: Asked) -> Told:
    """The mean gradient over noisy copies, with its error."""
    found = smooth_gradient(asked.rest, samples=asked.config.samples, seed=asked.config.seed)
    return {"attribution": found.values, "error": relative(found.error, found.values)}


def seen_by_grad_cam(asked: Asked) -> Told:
    """Grad-CAM, a map without channels."""
    return {"attribution": grad_cam(asked.rest)}


def curved(asked: Asked) -> Told:
    """Integrated gradients over curved paths through factors.

    Raises:
        PolicyscopeError: the factors of the site are not known.
    """
    if asked.factors is None:
        raise PolicyscopeError("curved paths need factors: make the question with fitted(...)")
    config, factors = asked.config, asked.factors

    def at(rows: Int[Tensor, " M"], steps: int) -> Refined:
        found = curved_gradients(
            of_rows(asked.rest, rows), factors, _rule(config), steps, config.samples, config.seed
        )
        error = found.spread.nan_to_num() / len(found.late) ** 0.5
        told = {
            "attribution": found.values, "change": found.change, "gap": found.gap,
            "error": relative(error, found.values),
        }  # fmt: skip
        missed = too_much(found.gap, found.change, found.ups_and_downs, config.tolerance)
        return told, missed

    return _fine_enough(at, asked, True)


def conductance(asked: Asked) -> Told:
    """What flows through the units of a hidden site, in finer steps where a sum misses much."""
    config = asked.config

    def at(rows: Int[Tensor, " M"], steps: int) -> Refined:
        rest = of_rows(asked.rest, rows)
        found = layer_conductance(rest, asked.site, asked.start[rows], _rule(config), steps)
        told = {"attribution": found.values, "change": found.change, "gap": found.gap}
        return told, missed_by(found, config.tolerance)

    return _fine_enough(at, asked, asked.whole)


def _rule(config: AttributionConfig) -> str:
    return "trapezoid" if config.rule == "adaptive" else config.rule


def _fine_enough(at: At, asked: Asked, whole: bool) -> Told:
    config = asked.config
    most = FINEST if config.rule == "adaptive" and whole else config.steps
    told, steps = row_by_row(at, len(asked.rest.activation), config.steps, most)
    return {**told, "steps": steps}
