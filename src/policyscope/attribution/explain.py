"""Attribution of a recording's decisions: values, what they sum up to, how far they hold."""

from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.chosen import Chosen, choose
from policyscope.attribution.config import COMPLETE, AttributionConfig
from policyscope.attribution.maps import arrays_of
from policyscope.attribution.methods import Told, explained, held
from policyscope.attribution.score import score
from policyscope.attribution.trust import trust_line
from policyscope.core.checks import Check
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.progress import tell_progress
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.core.sites import select
from policyscope.core.target_parser import parse_target
from policyscope.recordings.subject import python_line, subject

#: Share of the mean change of the target that the mean gap may reach.
GAP = 0.02
#: Share of the size of sampled values that their standard error may reach.
ERROR = 0.1
#: Rows whose network runs are kept at once.
BLOCK = 64


def attribute(
    recording: Any,
    config: AttributionConfig | None = None,
    episode: int | None = None,
    step: int | None = None,
    command: str | None = None,
) -> Result:
    """Say how much of a target each unit of an activation accounts for, decision by decision.

    Args:
        recording: an opened recording.
        config: target, method, site and options.
        episode: number of an episode; default is the whole recording.
        step: of that episode; default is all its steps.
        command: the command line, for the provenance.

    Returns:
        A Result over N rows, with coordinates ``episode`` and ``step``. ``attribution`` has the
        axes of the site; ``target`` is what was explained, ``change`` its difference to the
        baseline, ``gap`` what of that the values miss and ``steps`` how often the gradient was
        taken, where the method has them. Observations of vehicles have ``vehicles``
        (row, layer, entity), frames and convolutional sites ``map`` (row, layer, y, x).

    Raises:
        UnknownName: no such site, episode, action or output.
        PolicyscopeError: the target does not depend on the site, or looks ahead.

    Cost: that of the method for each row; memory for the values of all rows.
    """
    config = config or AttributionConfig()
    agent = recording.agent
    chosen = choose(recording, agent, episode, step, config.rows, config.seed)
    site = one_site(agent, config.site)
    target = parse_target(config.target or default_target(agent))
    parts = []
    rows = torch.arange(len(chosen.decisions))
    baseline = baseline_of(agent, chosen, site, config)
    for some in rows.split(BLOCK):
        tell_progress(int(some[0]), len(rows), "decisions")
        rest = score(agent, target, chosen.decisions.rows(some), site, held(config))
        parts.append(explained(rest, config, baseline))
    trust = []
    if config.trust:
        tell_progress(len(rows), len(rows), "how far it holds")
        trust = trust_line(agent, target, chosen, site, config, baseline)
    told = _joined(parts)
    data = arrays_of(agent, chosen, site, told["attribution"].numpy())
    data = data.assign({k: ("row", v.numpy()) for k, v in told.items() if k != "attribution"})
    for name in {"target", "change", "gap", "missed"} & set(data):
        data[name].attrs["unit"] = unit_of(str(target))
    checks = _checks(config, told)
    return Result(
        "attribution",
        data.assign_attrs(
            target=str(target), site=site, method=config.method,
            trust=[figure.to_json() for figure in trust],
        ),
        {
            "recording": subject(recording),
            **asdict(config), "target": str(target), "site": site,
            "python": _line(recording, config, episode, step),
        },
        provenance(command or "", config.seed),
        checks,
        unchecked=None if checks else _UNCHECKED.get(config.method, "no sum that it could miss"),
    )  # fmt: skip


_UNCHECKED = {"shapley": "exact: every coalition was looked at"}


def default_target(agent: Agent) -> str:
    """What is explained where nothing is asked for: why this action rather than others.

    Q-values of all actions move together, so that of the taken one is compared with their mean.

    Example:
        >>> default_target(agent)  # doctest: +SKIP
        'q[taken]-0.333333*q[SLOWER]-0.333333*q[IDLE]-0.333333*q[FASTER]'
    """
    if agent.head == "gaussian":  # what was done is the mean itself: its likelihood is flat there
        if len(agent.space.action_low) == 1:
            return "mean[0]"
        raise PolicyscopeError("the agent has several continuous actions; give a target: mean[0]")
    if agent.head != "q":
        return "logp[taken]"
    actions = agent.space.actions
    return "q[taken]" + "".join(f"-{1 / len(actions):.6g}*q[{name}]" for name in actions)


def one_site(agent: Agent, pattern: str) -> str:
    """Name of the single site that a pattern matches.

    Raises:
        UnknownName: it matches none.
        PolicyscopeError: it matches several.
    """
    found = select(agent.sites(), [pattern])
    if len(found) > 1:
        raise PolicyscopeError(f"'{pattern}' matches several sites; take one: {', '.join(found)}")
    return found[0]


def unit_of(target: str) -> str:
    """Unit of a target where all its terms have the same.

    Example:
        >>> unit_of("q[0]-q[1]"), unit_of("logp[taken]"), unit_of("logit[2]")
        ('return', 'nats', 'logit')
    """
    units = {"q": "return", "value": "return", "logp": "nats", "entropy": "nats",
             "logit": "logit", "mean": "action"}  # fmt: skip
    found = {units.get(term.kind, "") for term in parse_target(target).terms}
    return found.pop() if len(found) == 1 else ""


def baseline_of(
    agent: Agent, chosen: Chosen, site: str, config: AttributionConfig
) -> Float[Tensor, "1 ..."] | float:
    """What a site's activation is compared with.

    Args:
        agent: whose decisions they are.
        chosen: the decisions.
        site: name of the site.
        config: names the baseline.

    Cost: for the mean, a forward pass over all decisions.
    """
    if config.baseline != "mean":
        return 0.0
    total = torch.zeros(())
    for some in torch.arange(len(chosen.decisions)).split(BLOCK):
        rows = chosen.decisions.rows(some)
        with torch.no_grad(), capture(agent.modules(), [site]) as seen:
            agent.forward(rows.obs, rows.state)
        total = total + seen[site].double().sum(0, keepdim=True)
    return (total / len(chosen.decisions)).float()


def _joined(parts: list[Told]) -> Told:
    return {name: torch.cat([part[name].detach().cpu() for part in parts]) for name in parts[0]}


def _checks(config: AttributionConfig, told: Told) -> list[Check]:
    if config.method == "shapley" and float(told["error"].max()):
        error = float(told["error"].mean())
        return [
            Check.at_most("standard error / size of the values", error, ERROR, len(told["error"]))
        ]
    if config.method not in COMPLETE:
        return []
    gap, change = told["gap"].abs(), told["change"].abs()
    share = float(gap.mean() / change.mean()) if float(change.mean()) else float(gap.mean() > 0)
    return [Check.at_most("completeness: mean gap / mean change", share, GAP, len(gap))]


def _line(recording: Any, config: AttributionConfig, episode: int | None, step: int | None) -> str:
    changed = [
        f"{k}={v!r}" for k, v in asdict(config).items() if v != getattr(AttributionConfig, k)
    ]
    given = [f"AttributionConfig({', '.join(changed)})"] if changed else []
    if episode is not None:
        given.append(f"episode={episode}")
    if step is not None:
        given.append(f"step={step}")
    return python_line(attribute, recording, given, [AttributionConfig] if changed else [])
