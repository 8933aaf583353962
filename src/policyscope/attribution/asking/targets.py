"""Targets where none is named, those that set an action apart, and their units."""

from collections.abc import Sequence

from policyscope.agents.agent import Agent
from policyscope.attribution.config import SLOPES
from policyscope.core.errors import PolicyscopeError
from policyscope.core.target_parser import parse_target


def against_mean(kind: str, action: object, actions: Sequence[object]) -> str:
    """The target of an action minus its mean over all actions, as they move together.

    Args:
        kind: q or logit.
        action: its name or number, or ``taken``.
        actions: names or numbers of all.

    Example:
        >>> against_mean("q", "taken", ["UP", "DOWN"])
        'q[taken]-0.5*q[UP]-0.5*q[DOWN]'
    """
    share = f"{1 / len(actions):.6g}"
    return f"{kind}[{action}]" + "".join(f"-{share}*{kind}[{one}]" for one in actions)


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
    return against_mean("q", "taken", agent.space.actions)


def unit_of_values(method: str, target: str) -> str:
    """Unit of what a method says of a target.

    Example:
        >>> unit_of_values("gradient", "value"), unit_of_values("occlusion", "value")
        ('return a unit of the input', 'return')
    """
    if method == "sarfa":
        return "0 to 1"
    unit = unit_of(target)
    return f"{unit or 'target'} a unit of the input" if method in SLOPES else unit


def unit_of(target: str) -> str:
    """Unit of a target where all its terms have the same.

    Example:
        >>> unit_of("q[0]-q[1]"), unit_of("logp[taken]"), unit_of("same[policy]")
        ('return', 'nats', 'score²')
    """
    units = {"q": "return", "value": "return", "logp": "nats", "entropy": "nats",
             "logit": "logit", "mean": "action"}  # fmt: skip
    squares = {"policy": "score²", "value": "return²"}
    found = {
        squares[term.name] if term.kind == "same" else units.get(term.kind, "")
        for term in parse_target(target).terms
    }
    return found.pop() if len(found) == 1 else ""
