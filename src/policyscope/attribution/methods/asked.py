"""What a method of attribution is asked: decisions, a target, a site and a baseline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.score import INPUT, Decisions, score
from policyscope.attribution.config import (
    CAPTUM,
    TAKES_AWAY,
    THROUGH,
    AttributionConfig,
)
from policyscope.attribution.methods.factors import factors_of
from policyscope.attribution.methods.sarfa import ActionScores, action_scores
from policyscope.attribution.unfit import NEEDS, unfit
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.tails import Independent, Tail
from policyscope.core.target_parser import Target


@dataclass(frozen=True, eq=False)
class Asked:
    """A method's question about N decisions.

    Args:
        config: method and options.
        site: what the target is attributed to.
        rest: what the method runs: the target as a function of the site's activation, for
            conductance of the observation, for SARFA the sum of all actions' scores.
        start: (N, ...) what that activation is compared with.
        target: (N,) the target.
        scores: all actions' scores, for SARFA.
        action: (N,) the action that SARFA is about.
        factors: (K, C) factors of the site's channels, for curved paths.
        whole: whether all that reaches the target flows through the site.
    """

    config: AttributionConfig
    site: str
    rest: Tail
    start: Tensor
    target: Tensor
    scores: ActionScores | None = None
    action: Tensor | None = None
    factors: np.ndarray | None = None
    whole: bool = True


def path_site(config: AttributionConfig, site: str) -> str:
    """The site that a method's baseline belongs to.

    Args:
        config: names the method.
        site: what is attributed to.
    """
    return INPUT if config.method in THROUGH else site


def held(config: AttributionConfig) -> tuple[str, ...] | None:
    """What keeps its outputs: masks along a path, nothing where somebody is taken away."""
    return () if config.method in TAKES_AWAY else None


def fitted(
    agent: Agent, decisions: Decisions, site: str, config: AttributionConfig
) -> Float[np.ndarray, "K C"] | None:
    """What a method learns from all decisions before it is asked about any: curved paths' factors.

    Raises:
        PolicyscopeError: the site has no channels, or puts out nothing above 0.
    """
    if config.method != "curved":
        return None
    return factors_of(agent, decisions, site, config.factors, config.seed)


def ask(
    agent: Agent,
    target: Target,
    decisions: Decisions,
    site: str,
    config: AttributionConfig,
    baseline: Baseline,
    factors: Float[np.ndarray, "K C"] | None = None,
) -> Asked:
    """Prepare a question about decisions.

    Args:
        agent: whose decisions they are.
        target: what is attributed.
        decisions: N of them.
        site: what it is attributed to.
        config: method and options.
        baseline: of the N decisions, at the site of ``path_site``.
        factors: of ``fitted``.

    Raises:
        UnknownName: no such site, action or output.
        PolicyscopeError: the target looks ahead or does not depend on the site, or the method has
            no answer there.

    Cost: some forward passes over the decisions.
    """
    if config.options and not config.method.startswith(CAPTUM):
        raise PolicyscopeError(f"options belong to methods of captum, not to {config.method}")
    require_players(config)
    if why := unfit(config.method, target):
        raise PolicyscopeError(why)
    if config.method in THROUGH:
        if site == INPUT:
            raise PolicyscopeError(
                "conductance is that of a hidden site: name one with --site; of the observation "
                "itself it is integrated_gradients"
            )
        rest = score(agent, target, decisions)
        return _asked(
            config, site, rest, baseline.at(INPUT, rest.activation),
            whole=_flows_through(agent, target, decisions, site, rest),
        )  # fmt: skip
    if config.method == "sarfa":
        return _sarfa(agent, target, decisions, site, config, baseline)
    rest = score(agent, target, decisions, site, held(config))
    return _asked(config, site, rest, baseline.at(site, rest.activation), factors=factors)


def require_players(config: AttributionConfig) -> None:
    """Refuse players of a method that has none.

    Args:
        config: method and players.

    Raises:
        PolicyscopeError: the method is not that of Shapley values.
    """
    if config.players and config.method != "shapley":
        raise PolicyscopeError(f"players are those of --method shapley, not of {config.method}")


def _asked(config: AttributionConfig, site: str, rest: Tail, start: Tensor, **more: Any) -> Asked:
    return Asked(config, site, rest, start, as_it_was(rest), **more)


def as_it_was(rest: Tail) -> Float[Tensor, " N"]:
    """The target of the decisions as they were, in double precision."""
    rows = torch.arange(len(rest.activation))
    with torch.no_grad():
        parts = [rest(rest.activation[some], some).double() for some in rows.split(1024)]
    return torch.cat(parts)


def _sarfa(
    agent: Agent, target: Target, decisions: Decisions, site: str, config: AttributionConfig,
    baseline: Baseline,
) -> Asked:  # fmt: skip
    action = _action(agent, target, decisions)
    of_target = as_it_was(score(agent, target, decisions, site, held(config)))
    scores = action_scores(agent, decisions, site, held(config))
    start = baseline.at(site, scores.rest.activation)
    return Asked(config, site, scores.rest, start, of_target, scores, action)


def _action(agent: Agent, target: Target, decisions: Decisions) -> Int[Tensor, " N"]:
    """The action that a target is about: that of its term with the largest factor."""
    terms = [term for term in target.terms if term.kind in NEEDS["sarfa"].kinds]
    term = max(terms, key=lambda one: one.factor)
    count = len(decisions)
    if term.name == "taken" and decisions.taken is not None:
        return decisions.taken.long().reshape(count)
    if term.name in ("taken", "best"):
        with torch.no_grad():
            outputs, _ = agent.forward(decisions.obs, decisions.state)
        return outputs["q" if "q" in outputs else "logits"].argmax(-1)
    actions = agent.space.actions
    if term.name and term.name not in actions:
        raise UnknownName("action", term.name, [*actions, "taken", "best"])
    number = actions.index(term.name) if term.name else term.index[0]
    if number >= len(actions):
        last = len(actions) - 1
        raise PolicyscopeError(
            f"target '{term}': number {number} does not exist; valid: 0 to {last}"
        )
    return torch.full((count,), number, device=decisions.obs.device)


def _flows_through(
    agent: Agent, target: Target, decisions: Decisions, site: str, rest: Tail
) -> bool:
    """Whether nothing of the observation reaches the target but through the site."""
    masks = [name for name, value in rest.kept.items() if value.dtype == torch.bool]
    one = decisions.rows(torch.zeros(1, dtype=torch.long))
    try:
        score(agent, target, one, INPUT, [site, *masks])
    except Independent:
        return True
    return False
