"""SARFA: which places are specific and relevant to one action (Puri et al. 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.score import INPUT, Decisions
from policyscope.attribution.methods.gradients import at_once
from policyscope.attribution.methods.perturbation import Places, everywhere
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import Tail, tail


@dataclass(frozen=True, eq=False)
class ActionScores:
    """Q-values or logits of every action as a function of what a site puts out.

    Args:
        rest: their sum as a function of the activation.
        seen: what the last pass of it put out.
    """

    rest: Tail
    seen: list[Tensor]

    def __call__(
        self, activation: Float[Tensor, "M ..."], rows: Int[Tensor, " M"]
    ) -> Float[Tensor, "M A"]:
        """Scores where the site puts out something else.

        Args:
            activation: (M, ...) to put in the site's place.
            rows: (M,) which of the N decisions each stands in for.
        """
        self.seen.clear()
        self.rest(activation, rows)
        return self.seen.pop()


def action_scores(
    agent: Agent, decisions: Decisions, site: str = INPUT, hold: Sequence[str] | None = None
) -> ActionScores:
    """Q-values or logits of every action as a function of what a site puts out.

    Args:
        agent: whose decisions they are; it has Q-values or logits.
        decisions: N of them.
        site: which activation varies; default is the preprocessed observation.
        hold: modules that keep their outputs, see ``core.tails.tail``.

    Raises:
        UnknownName: no such site.
        PolicyscopeError: the agent's actions are continuous, or do not depend on the site.

    Cost: one forward pass over the decisions, and one over a single one.
    """
    seen: list[Tensor] = []

    def run(rows: Int[Tensor, " M"]) -> Float[Tensor, " M"]:
        chosen = decisions.rows(rows)
        outputs, _ = agent.forward(chosen.obs, chosen.state)
        name = "q" if "q" in outputs else "logits"
        if name not in outputs:
            raise PolicyscopeError(
                "continuous actions have no probabilities to compare: perturb a target such as "
                "mean[0] or logp[taken] instead"
            )
        seen.append(outputs[name])
        return outputs[name].sum(-1)

    return ActionScores(tail(agent.modules(), site, run, len(decisions), hold), seen)


@dataclass(frozen=True, eq=False)
class Sarfa:
    """How specific and relevant each place is to one action, for N rows.

    Args:
        saliency: (N, h, w) or (N, P) in 0 to 1: the harmonic mean of ``drop`` and ``relevance``; 0
            where the action becomes no less likely.
        drop: like it; what the probability of the action loses when the place is perturbed.
        relevance: like it, in 0 to 1: near 1 where the other actions keep their proportions.
        action: (N,) which action it is of each row.
        places: where, and how to ``spread`` it over a map.
        passes: forward passes of each row.
    """

    saliency: Tensor
    drop: Tensor
    relevance: Tensor
    action: Tensor
    places: Places
    passes: int


def sarfa(scores: ActionScores, places: Places, action: Int[Tensor, " N"] | None = None) -> Sarfa:
    """What an action's probability depends on, less what moves the other actions as well.

    Probabilities are a softmax over the Q-values or logits. The relevance is 1 / (1 + KL), from the
    divergence of the other actions' probabilities after the perturbation from those before, in the
    direction of the authors' code.

    Args:
        scores: Q-values or logits as a function of the activation.
        places: made from ``scores.rest.activation``.
        action: (N,) actions to explain; default is the best one of each row.

    Cost: a forward pass from the site on for each place, and one more.

    Reference: Puri et al. 2020, section 3.

    Example:
        >>> from policyscope.attribution.methods.perturbation import windows
        >>> scores = action_scores(agent, Decisions(obs))  # doctest: +SKIP
        >>> places = windows(scores.rest.activation, 8, 4)  # doctest: +SKIP
        >>> places.spread(sarfa(scores, places).saliency).shape  # doctest: +SKIP
        torch.Size([16, 64, 64])
    """
    before, after = everywhere(scores, scores.rest.activation, places, at_once(scores.rest))
    before = before[:, None]
    action = before[:, 0].argmax(-1) if action is None else action.long()
    chosen = action[:, None, None]
    likely, unlikely = (
        at.softmax(-1).gather(-1, chosen.expand(*at.shape[:2], 1))[..., 0] for at in (before, after)
    )
    drop = likely - unlikely
    relevance = 1 / (1 + _divergence(_others(before, chosen), _others(after, chosen)))
    saliency = torch.where(drop > 0, 2 * drop * relevance / (drop + relevance), 0.0)
    shaped = [each.view(-1, *places.shape) for each in (saliency, drop, relevance)]
    return Sarfa(shaped[0], shaped[1], shaped[2], action, places, len(places) + 1)


def _others(scores: Float[Tensor, "N P A"], chosen: Int[Tensor, "N 1 1"]) -> Tensor:
    """Log-probabilities of the actions besides one, among themselves."""
    is_chosen = torch.arange(scores.shape[-1]) == chosen
    return scores.masked_fill(is_chosen, -torch.inf).log_softmax(-1)


def _divergence(p: Float[Tensor, "N 1 A"], q: Float[Tensor, "N P A"]) -> Float[Tensor, "N P"]:
    """Kullback-Leibler divergence of q from p; what is impossible under p counts nothing."""
    return torch.where(p.isneginf() | p.isnan(), 0.0, p.exp() * (p - q)).sum(-1).clamp(min=0)
