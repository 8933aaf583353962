"""Baselines by name: what the activations of decisions are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.chosen import Chosen, choose
from policyscope.attribution.asking.removed import without
from policyscope.attribution.asking.score import INPUT, Decisions
from policyscope.attribution.config import read_baseline, sigma
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture

#: Rows whose network runs are kept at once.
BLOCK = 64


@dataclass(frozen=True, eq=False)
class Baseline:
    """What the activations of N decisions are compared with, and how a figure says it.

    Args:
        values: by site, (N, ...), or (1, ...) or a number for all decisions.
        description: plain words, e.g. ``mean of 500 decisions``.
        unchanged: decisions whose observation the baseline leaves as it is; None where the
            baseline is no change of the scene.
        there: N decisions, or a single one, where the baseline is what they make of a site.
        name: what it is called, see ``config.BASELINES``.
    """

    values: Mapping[str, Tensor]
    description: str = "zero"
    unchanged: int | None = None
    there: Decisions | None = None
    name: str = "zero"

    def rows(self, rows: Int[Tensor, " M"]) -> "Baseline":
        """That of some of the decisions."""
        there = self.there
        if there is not None and len(there) > 1:
            there = there.rows(rows)
        return replace(
            self, values={site: _some(v, rows) for site, v in self.values.items()}, there=there
        )

    def at(self, site: str, like: Float[Tensor, "N ..."]) -> Float[Tensor, "N ..."]:
        """What an activation of a site is compared with, of its shape."""
        return self.values[site].to(like).expand_as(like)

    def of(self, agent: Agent, every: Decisions, some: Decisions) -> "Baseline":
        """The same question's baseline for another agent, whose sites put out other numbers.

        Args:
            agent: the other one, of the same architecture.
            every: all decisions, of which a mean is taken.
            some: those that this is the baseline of.
        """
        sites = list(self.values)
        kind = read_baseline(self.name)[0]
        if kind == "zero":
            return self
        if kind == "mean":
            return replace(self, values=_mean(agent, every, sites))
        if kind == "blur":
            return replace(self, values=_blurred(agent, some, sites, self.name))
        return replace(self, values=activations(agent, self.there or some, sites))


def baseline(
    recording: Any,
    agent: Agent,
    chosen: Chosen,
    name: str,
    sites: Sequence[str] = (INPUT,),
) -> Baseline:
    """What the activations of sites are compared with, by the baseline's name.

    ``zero``; ``mean`` over the decisions; ``blur:SIGMA``, each map blurred by a Gaussian, its edges
    mirrored; ``row:EPISODE:STEP``, what the sites put out at another recorded step, with the memory
    of that step; ``removed:WHO``, what they put out where an entity, or a kind of entity, is taken
    out of the recorded scene, with the memory as recorded. A decision whose scene does not show it
    keeps its own observation: nothing changes.

    Args:
        recording: an opened recording.
        agent: the recorded agent.
        chosen: N decisions of it.
        name: which baseline, see ``config.BASELINES``.
        sites: names of sites, at least one; the words are about the first.

    Raises:
        UnknownName: no such baseline, episode or kind of entity.
        PolicyscopeError: no such step, nobody of that identity, a scene that cannot be changed or
            looks the same, a mean of a single decision, or a blur of what is no map or with a
            standard deviation that is not above 0.

    Cost: nothing for zero; a forward pass over all decisions for mean and blur; for ``removed``
    also the restoring of each decision's world.

    Example:
        >>> baseline(recording, agent, chosen, "row:0:3").description  # doctest: +SKIP
        'step 3 of episode 0'
    """
    kind, words = read_baseline(name)
    decisions = chosen.decisions
    if kind == "zero":
        return Baseline(dict.fromkeys(sites, torch.zeros(())))
    if kind == "mean":
        require_several(len(decisions))
        told = f"mean of {len(decisions)} decisions"
        return Baseline(_mean(agent, decisions, sites), told, name=name)
    if kind == "blur":
        unit = "pixels" if sites[0] == INPUT else "places"
        told = f"blurred with a standard deviation of {sigma(name):g} {unit}"
        return Baseline(_blurred(agent, decisions, sites, name), told, name=name)
    if kind == "row":
        episode, step = (int(word or 0) for word in words)
        one = choose(recording, agent, episode, step).decisions
        told = f"step {step} of episode {episode}"
        return Baseline(activations(agent, one, sites), told, None, one, name)
    changed = without(recording, chosen, words[0] or "")
    same = int((changed.obs == decisions.obs).flatten(1).all(1).sum())
    told = f"the scene without {changed.who}"
    if same == len(decisions):
        raise PolicyscopeError(
            f"the agent sees the same without {changed.who} at all of these decisions: there is "
            "nothing to account for"
        )
    if same:
        told += f"; {same} of {len(decisions)} decisions stay as they are"
    there = Decisions(changed.obs, decisions.state, decisions.taken)
    return Baseline(activations(agent, there, sites), told, same, there, name)


def require_several(decisions: int) -> None:
    """Refuse the mean of a single decision.

    Raises:
        PolicyscopeError: it is the decision itself, and nothing would change.
    """
    if decisions < 2:
        raise PolicyscopeError(
            "the mean of a single decision is the decision itself; explain its episode, or take "
            "the baseline zero or row:EPISODE:STEP"
        )


def activations(agent: Agent, decisions: Decisions, sites: Sequence[str]) -> dict[str, Tensor]:
    """What sites put out at decisions, (N, ...) by name.

    Args:
        agent: whose decisions they are.
        decisions: N of them.
        sites: names of sites.

    Cost: a forward pass over the decisions.
    """
    parts = list(_passes(agent, decisions, sites))
    return {site: torch.cat([part[site] for part in parts]) for site in sites}


def blurred(maps: Float[Tensor, "N ..."], width: float, site: str) -> Float[Tensor, "N C H W"]:
    """Maps blurred by a Gaussian, their edges mirrored.

    Args:
        maps: (N, C, H, W).
        width: standard deviation, in pixels of the preprocessed frame, or in places of another map.
        site: what puts them out.

    Raises:
        PolicyscopeError: they are no maps.
    """
    if maps.dim() != 4:
        raise PolicyscopeError(
            f"the baseline 'blur' needs channels, rows and columns; site '{site}' has shape "
            f"{tuple(maps.shape[1:])} (take zero, mean, row:EPISODE:STEP or removed:WHO)"
        )
    down, across = (
        torch.as_tensor(scipy.ndimage.gaussian_filter1d(np.eye(extent), width, axis=0)).to(maps)
        for extent in maps.shape[2:]
    )
    return down @ maps @ across.T


def _blurred(
    agent: Agent, decisions: Decisions, sites: Sequence[str], name: str
) -> dict[str, Tensor]:
    seen = activations(agent, decisions, sites)
    return {site: blurred(seen[site], sigma(name), site) for site in sites}


def _mean(agent: Agent, decisions: Decisions, sites: Sequence[str]) -> dict[str, Tensor]:
    """Added up in double precision: a million numbers of float32 would lose digits."""
    total = {site: torch.zeros(()) for site in sites}
    for seen in _passes(agent, decisions, sites):
        total = {site: total[site] + seen[site].double().sum(0, keepdim=True) for site in sites}
    return {site: (value / len(decisions)).float() for site, value in total.items()}


def _passes(agent: Agent, decisions: Decisions, sites: Sequence[str]) -> Any:
    for rows in torch.arange(len(decisions)).split(BLOCK):
        some = decisions.rows(rows)
        with torch.no_grad(), capture(agent.modules(), list(sites)) as seen:
            agent.forward(some.obs, some.state)
        yield seen


def _some(values: Tensor, rows: Tensor) -> Tensor:
    return values if not values.dim() or len(values) == 1 else values[rows]
