"""Options of an attribution; free of torch."""

import re
from ast import literal_eval
from dataclasses import dataclass
from typing import Any

from policyscope.attribution.methods.captum_names import (
    BY_FUNCTION,
    BY_HOOKS,
    COALITIONS,
    COMPARED,
    DRAWN,
    DRAWS_BASELINES,
    NEARLY_SHARED_OUT,
    SHARED_OUT,
    STEEPNESS,
)
from policyscope.core.errors import PolicyscopeError, UnknownName

#: What each method is, in a line.
METHODS = {
    "integrated_gradients": "the target's change from a baseline, along the path to it",
    "gradient": "slope of the target, in its unit a unit of the activation",
    "input_x_gradient": "slope times the difference to the baseline",
    "smooth_gradient": "mean slope over noisy copies",
    "curved": "the change from zero, along paths on which some factors come before others",
    "conductance": "what of the change from a baseline observation flows through a hidden site",
    "neuron_conductance": "conductance by unit and action, and from which inputs it comes",
    "grad_cam": "where channels that the target rises with are active",
    "occlusion": "what the target loses when a window of a frame, or one number, is covered",
    "blur": "what the target loses when a frame is blurred around a place",
    "sarfa": "what the action that the target names depends on, less what moves the others as well",
    "shapley": "the change from a baseline, shared out fairly over vehicles or blocks of a frame",
}
#: Methods with values of their own: neuron_conductance lists those of conductance by action.
APART = tuple(name for name in METHODS if name != "neuron_conductance")
#: Before a name of captum's: ``captum:DeepLift``.
CAPTUM = "captum:"
#: Why some of captum's attributions cannot work here, and what to take.
REFUSED = {
    "GuidedGradCam": "it mixes two sites: take grad_cam of one and captum:GuidedBackprop",
    "LRP": "it overwrites the weights of the network and knows a rule for few modules "
    "(take captum:DeepLift)",
    "LimeBase": "it takes functions of inputs that are no rows of a recording (take captum:Lime)",
    "DataLoaderAttribution": "it takes no rows of a recording (take captum:FeatureAblation)",
}
#: Players of Shapley values, beside those that a site has by itself.
PLAYERS = {
    "features:ROW": "the features of the vehicle in a row of the observation, 0 or ego is the ego",
    "entities": "the entities in sight, each in the recorded scene or taken out of it",
}
ENTITIES = "entities"
#: Players whose coalitions are all looked at: 2^16 forward passes.
MOST_PLAYERS = 16
#: Where passes take long, blocks of a map and drawn scenes, unless more are asked for.
MOST_COSTLY = 10
#: What an activation can be compared with.
BASELINES = {
    "zero": "zero",
    "mean": "the mean over the chosen decisions",
    "blur:SIGMA": "itself, blurred; 3 pixels or places by default",
    "row:EPISODE:STEP": "the same site at another recorded step",
    "removed:WHO": "the recorded scene without an entity, by identity, or a kind of entity",
}
_SHAPES = {
    "zero": r"zero", "mean": r"mean", "blur": r"blur(?::([0-9.eE+-]+))?", "row": r"row:(\d+):(\d+)",
    "removed": r"removed:(.+)",
}  # fmt: skip
#: Standard deviation of a blur that does not say its own.
SIGMA = 3.0
#: Methods whose values must sum to the target's change from the baseline.
COMPLETE = (
    "integrated_gradients", "curved", "conductance", "neuron_conductance",
    *(CAPTUM + name for name in SHARED_OUT),
)  # fmt: skip
#: Methods whose values are shares of a whole, so that sums of them mean something.
ADDING = (
    *COMPLETE, "shapley", "input_x_gradient", *(CAPTUM + name for name in NEARLY_SHARED_OUT),
)  # fmt: skip
#: Methods whose values are slopes, not shares of a change.
SLOPES = ("gradient", "smooth_gradient", *(CAPTUM + name for name in STEEPNESS))
#: Methods whose values tell how much, not which way.
UNSIGNED = (CAPTUM + "Saliency",)
#: Methods that go from the observation through the site.
THROUGH = ("conductance", "neuron_conductance")
#: Methods whose paths are made finer as a whole until they miss little.
STEPPED = ("curved", *THROUGH)
#: Methods that draw random numbers, whatever they are asked.
SAMPLED = ("smooth_gradient", *(CAPTUM + name for name in DRAWN))
#: Methods that take somebody away, who is then absent.
TAKES_AWAY = ("shapley", "sarfa", *(CAPTUM + name for name in COALITIONS))
#: Methods of ours that compare with nothing.
_ALONE = ("gradient", "smooth_gradient", "grad_cam", "blur")


def without_baseline(method: str) -> bool:
    """Whether a method compares with no baseline of the asker's choice.

    Example:
        >>> without_baseline("gradient"), without_baseline("captum:DeepLift")
        (True, False)
    """
    if method.startswith(CAPTUM):
        return method.removeprefix(CAPTUM) not in (*COMPARED, *DRAWS_BASELINES)
    return method in _ALONE


def method_names() -> list[str]:
    """Every name that a method can be called by.

    Example:
        >>> "captum:DeepLift" in method_names()
        True
    """
    return [*METHODS, *(CAPTUM + name for name in sorted(BY_FUNCTION + BY_HOOKS))]


def read_baseline(text: str) -> tuple[str, tuple[str | None, ...]]:
    """Kind of a baseline and what stands behind its colons.

    Raises:
        UnknownName: no such baseline.

    Example:
        >>> read_baseline("row:3:17")
        ('row', ('3', '17'))
    """
    for kind, shape in _SHAPES.items():
        if found := re.fullmatch(shape, text, re.ASCII):
            return kind, found.groups()
    raise UnknownName("baseline", text, BASELINES)


def sigma(text: str) -> float:
    """Standard deviation of the blur that a baseline names.

    Raises:
        PolicyscopeError: it is no number above 0.

    Example:
        >>> sigma("blur"), sigma("blur:1.5")
        (3.0, 1.5)
    """
    given = read_baseline(text)[1][0]
    try:
        found = SIGMA if given is None else float(given)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise PolicyscopeError(f"a blur has a standard deviation above 0, as in blur:3, not {text}")
    return found


def read_options(options: tuple[str, ...]) -> dict[str, Any]:
    """Values by name from ``NAME=VALUE``; what is no Python literal is text.

    Raises:
        PolicyscopeError: no name, or one given twice.

    Example:
        >>> read_options(("n_samples=200", "attribution_method=Saliency"))
        {'n_samples': 200, 'attribution_method': 'Saliency'}
    """
    found: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name.isidentifier() or name in found:
            raise PolicyscopeError(
                f"options are given once each as NAME=VALUE, e.g. n_samples=200; got '{option}'"
            )
        try:
            found[name] = literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def why_not_captum(name: str) -> str:
    """Why an attribution of captum cannot be asked here; empty where it can, or is unknown.

    Args:
        name: of the class in ``captum.attr``.

    Example:
        >>> why_not_captum("LimeBase")[:54]
        "captum's LimeBase cannot work here: it takes functions"
    """
    if name in REFUSED:
        return f"captum's {name} cannot work here: {REFUSED[name]}"
    if name.startswith(("Layer", "Neuron")) or name == "InternalInfluence":
        return (
            f"captum's {name} looks for a layer itself: name it by --site (in Python make the "
            "score at that site) and take one of captum's attributions of an input"
        )
    return ""


def row_of_features(players: str) -> int | None:
    """Row of the vehicle whose features are players; None for other players.

    Raises:
        UnknownName: no such players.
        PolicyscopeError: steps, which are players of another method.

    Example:
        >>> row_of_features("features:ego"), row_of_features("features:3"), row_of_features("")
        (0, 3, None)
    """
    if players in ("", ENTITIES):
        return None
    found = re.fullmatch(r"features:(ego|\d+)", players, re.ASCII)
    if players == "steps":
        raise PolicyscopeError(
            "steps are players of attribution through time: take --method through_time "
            "--through-time.by shapley"
        )
    if found is None:
        raise UnknownName("players", players, PLAYERS)
    return 0 if found[1] == "ego" else int(found[1])


@dataclass(frozen=True)
class AttributionConfig:
    """What to attribute, to what, and how exactly.

    Args:
        target: scalar to be explained, e.g. ``q[FASTER]-q[SLOWER]``, ``value``; empty: of a Q
            agent the taken action's Q-value minus the mean over actions, of a policy
            ``logp[taken]``.
        method: one of ``METHODS``, or captum:NAME.
        site: activation it is attributed to; ``preprocess`` is the observation.
        baseline: what the activation is compared with: zero, mean (over the chosen rows),
            blur:SIGMA, row:EPISODE:STEP (another recorded step), removed:WHO (the scene without
            an entity, by its identity, or without a kind of entity).
        rule: how a path is integrated: adaptive, right, left, midpoint, trapezoid, gauss.
        steps: points on a path that is not adaptive; those that conductance begins with.
        tolerance: largest share of the target's change that an adaptive path may miss.
        samples: noisy copies of each row; random orders, where Shapley values are sampled; curved
            paths.
        window: side of what occlusion and SARFA cover, of Shapley values' blocks and of those on
            which maps are judged, in places of the map; on small maps a third of their side.
        players: of Shapley values: features:ROW, those of the vehicle in that row of the
            observation (features:ego, features:3), or entities, those in sight, taken out of the
            recorded scene; empty: vehicles, blocks of a map, or the units of another site.
        exact: players of Shapley values, at most 16, that differ from the baseline at a decision up
            to which all coalitions are looked at; beyond, orders are drawn. Default: 10 of blocks
            of a map and of entities of a scene, whose passes take long, 16 of others.
        factors: non-negative factors that curved paths go through.
        options: of captum's method, as NAME=VALUE.
        rows: decisions to explain at most; more are thinned out at random.
        seed: of what is drawn.
        trust: measure how far the values hold, on up to 32 of the decisions.
        initialisations: untrained networks that bars are compared with, beside the run's own
            initial weights; 0 leaves out both.
        per_action: also attribute each action, against the mean over actions.

    Raises:
        UnknownName: no such method or baseline.
        PolicyscopeError: a number that makes no sense, options that cannot be read, or a baseline
            for curved paths.
    """

    target: str = ""
    method: str = "integrated_gradients"
    site: str = "preprocess"
    baseline: str = "zero"
    rule: str = "adaptive"
    steps: int = 32
    tolerance: float = 0.01
    samples: int = 32
    window: int = 8
    players: str = ""
    exact: int | None = None
    factors: int = 8
    options: tuple[str, ...] = ()
    rows: int = 512
    seed: int = 0
    trust: bool = True
    initialisations: int = 5
    per_action: bool = False

    def __post_init__(self) -> None:
        if self.method not in method_names():
            if why := why_not_captum(self.method.removeprefix(CAPTUM)):
                raise PolicyscopeError(why)
            captums = self.method.startswith(CAPTUM)
            valid = method_names() if captums else [*METHODS, f"{CAPTUM}NAME"]
            raise UnknownName("method", self.method, valid)
        kind = read_baseline(self.baseline)[0]
        if kind == "blur":
            sigma(self.baseline)
        if kind != "zero" and self.method == "curved":
            raise PolicyscopeError("curved paths begin at zero: leave out the baseline")
        if self.rows < 1 or not 0 < self.tolerance < 1:
            raise PolicyscopeError("at least 1 row is explained, to a tolerance between 0 and 1")
        if self.initialisations < 0 or self.seed < 0:
            raise PolicyscopeError("initialisations and the seed are 0 or more")
        if self.steps < 1 or self.samples < 1:
            raise PolicyscopeError("at least 1 step and 1 sample are needed")
        if self.factors < 1 or self.window < 1:
            raise PolicyscopeError("at least 1 factor and a window of at least 1 place are needed")
        if self.exact is not None and not 0 <= self.exact <= MOST_PLAYERS:
            raise PolicyscopeError(
                f"all coalitions of 0 to {MOST_PLAYERS} players can be looked at, got exact = "
                f"{self.exact}; beyond that Shapley values are sampled by themselves"
            )
        read_options(self.options)
        row_of_features(self.players)
        if self.players == ENTITIES and (kind != "zero" or self.per_action):
            raise PolicyscopeError(
                "players 'entities' are taken out of the scene: leave out the baseline and "
                "per-action"
            )
