"""Method ``through_time``: what of a target past observations account for, and what memory does.

A decision's *window* is the last observations before it and its own, and the memory that stood
before the first of them. Integrated gradients, or Shapley values, share the target out over both.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.memory import flat_rows, from_flat_rows
from policyscope.attribution.asking.baselines import require_several
from policyscope.attribution.asking.chosen import Chosen, choose
from policyscope.attribution.asking.targets import default_target, unit_of
from policyscope.attribution.asking.windows import Windows, WindowScore, over_time, windowed_score
from policyscope.attribution.methods.by_steps import steps_shapley
from policyscope.attribution.methods.paths import ends, integrated_gradients
from policyscope.attribution.methods.shapley import Shapley
from policyscope.attribution.methods.told import relative
from policyscope.attribution.results.time_arrays import frames_of, time_arrays
from policyscope.attribution.time_config import TimeConfig
from policyscope.attribution.trust.checks import ERROR, GAP
from policyscope.attribution.trust.line import Figure
from policyscope.attribution.trust.over_time import ROWS, time_trust_line
from policyscope.core.checks import Check
from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.core.target_parser import Target, parse_target
from policyscope.recordings.arrays.steps import rows_of_episode
from policyscope.recordings.subject import python_line, subject

#: Share of the target's size by which a window may differ from the decision that was recorded.
DIFFERENCE = 1e-3
#: Windows whose observations are kept at once.
BLOCK = 4


def through_time(
    recording: Any,
    config: TimeConfig | None = None,
    episode: int | None = None,
    step: int | None = None,
    command: str | None = None,
) -> Result:
    """Say what of a target each past observation accounts for, and what the memory before them.

    Args:
        recording: an opened recording of an agent with memory.
        config: target, length of the windows and options.
        episode: number of an episode; default is the whole recording.
        step: of that episode; default is all its steps.
        command: the command line, for the provenance.

    Returns:
        A Result over N rows, with coordinates ``episode`` and ``step``. ``observation`` (row, past)
        is what the observation that many steps ago accounts for, NaN before the episode began;
        ``memory`` (row) what the memory before the window does, NaN where the window begins with
        the episode; ``target``, ``change`` to the baseline, ``gap`` that the values miss of it,
        ``steps`` at which the gradient was taken. Shapley values have ``passes`` in its place,
        ``observation_error`` and ``memory_error``, standard errors that are 0 where all coalitions
        were looked at, and ``error`` (row), their size as a share of the values'. A single
        decision has the ``frame`` (past, y, x, colour) of each step where observations are
        pictures. The attribute ``trust`` holds the figures of ``time_trust_line``, unless
        ``config.trust`` is off.

    Raises:
        PolicyscopeError: the agent has no memory, the recording does not hold it, or the target
            looks ahead.
        UnknownName: no such episode, action or output.

    Cost: a pass over ``past`` observations, forward and backward, for each row and point of a path;
        of Shapley values see ``steps_shapley``; that of ``time_trust_line`` for 8 of the rows.

    Example:
        >>> from policyscope.recordings.read import open_recording
        >>> recording = open_recording("runs/coin")  # doctest: +SKIP
        >>> through_time(recording, TimeConfig(target="value"), 3).data  # doctest: +SKIP
    """
    config = config or TimeConfig()
    agent = recording.agent
    if not agent.recurrent:
        raise PolicyscopeError(
            f"the agent of {recording.path} has no memory: what it sees at a step is all it knows; "
            "take --method integrated_gradients"
        )
    chosen = choose(recording, agent, episode, step, config.rows, config.seed)
    target = parse_target(config.target or default_target(agent))
    mean = None
    if config.baseline == "mean":
        require_several(len(chosen.decisions))
        mean = _mean_seen(agent, chosen)
    parts = []
    rows = np.arange(len(chosen.decisions))
    for some in np.split(rows, rows[BLOCK::BLOCK]):
        tell_progress(int(some[0]), len(rows), "decisions")
        given = windows_of(recording, agent, chosen, some, config.past)
        parts.append(_explained(agent, target, given, mean, config))
    told = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    recorded = _recorded(agent, target, chosen)
    trust = _trust(recording, agent, target, chosen, mean, config) if config.trust else []
    unit = unit_of(str(target))
    data = time_arrays(chosen, told, config.past, unit)
    if len(rows) == 1:
        data = data.assign(frames_of(recording, chosen, config.past))
    return Result(
        "through_time",
        data.assign_attrs(
            target=str(target), unit=unit, by=config.by, baseline=_words(config.baseline, chosen),
            trust=[figure.to_json() for figure in trust],
        ),
        {
            "recording": subject(recording), **asdict(config), "target": str(target),
            "python": _line(recording, config, episode, step),
        },
        provenance(command or "", config.seed),
        _checks(config, told, recorded),
    )  # fmt: skip


def windows_of(
    recording: Any, agent: Agent, chosen: Chosen, rows: Int[np.ndarray, " M"], past: int
) -> Windows:
    """What was seen up to some decisions, and remembered before.

    Args:
        recording: an opened recording that holds memory.
        agent: the recorded one.
        chosen: N decisions.
        rows: which of them.
        past: observations of a window; where an episode is younger, its first one stands in for
            those that there are not, and ``first`` parts them from it.
    """
    obs, memory, first = [], [], []
    for k, t in zip(chosen.episode[rows].tolist(), chosen.step[rows].tolist(), strict=True):
        at = np.arange(t - past + 1, t + 1)
        begin = max(int(at[0]), 0)
        steps = rows_of_episode(recording, k, begin, t + 1 - begin)
        obs.append(steps.column("obs")[(at - begin).clip(min=0)])
        memory.append(steps.column("state_in")[0])
        first.append(at == 0)
    taken = chosen.decisions.taken
    return Windows(
        torch.from_numpy(np.stack(obs)).to(agent.device),
        from_flat_rows(np.stack(memory), agent.initial_state(1)),
        torch.from_numpy(np.stack(first)).to(agent.device),
        None if taken is None else taken[torch.as_tensor(rows)],
    )


def _explained(
    agent: Agent,
    target: Target,
    given: Windows,
    mean: Float[Tensor, "1 ..."] | None,
    config: TimeConfig,
) -> dict[str, np.ndarray]:
    rest = windowed_score(agent, target, given)
    begin = _begin(rest, agent, mean)
    if config.by == "shapley":
        told = _shared_out(steps_shapley(rest, begin, config.samples, config.seed, config.exact))
    else:
        path = integrated_gradients(rest, begin, tolerance=config.tolerance)
        told = {
            **over_time(rest, path.values), "change": path.change, "gap": path.gap,
            "steps": path.steps,
        }  # fmt: skip
    told["target"] = ends(rest, begin)[1]
    return {name: values.detach().cpu().numpy() for name, values in told.items()}


def _shared_out(found: Shapley) -> dict[str, Tensor]:
    return {
        "observation": found.values[:, :-1], "memory": found.values[:, -1],
        "observation_error": found.error[:, :-1], "memory_error": found.error[:, -1],
        "error": relative(found.error, found.values), "change": found.change, "gap": found.gap,
        "passes": found.passes,
    }  # fmt: skip


def _begin(
    rest: WindowScore, agent: Agent, mean: Float[Tensor, "1 ..."] | None
) -> Float[Tensor, "N F"]:
    """What windows are compared with: observations of nothing, or the mean, and a first memory."""
    count, length = rest.windows.first.shape
    seen = torch.zeros((count, length, *rest.shape[1:])).to(rest.activation)
    memory = flat_rows(agent.initial_state(count)).to(rest.activation)
    return torch.cat([(seen if mean is None else seen + mean).flatten(1), memory], 1)


def _trust(
    recording: Any,
    agent: Agent,
    target: Target,
    chosen: Chosen,
    mean: Float[Tensor, "1 ..."] | None,
    config: TimeConfig,
) -> list[Figure]:
    """How far the values hold, on some of the decisions."""
    count = len(chosen.decisions)
    rows = np.random.default_rng(config.seed).choice(count, min(count, ROWS), replace=False)
    tell_progress(count, count, "how far it holds")
    given = windows_of(recording, agent, chosen, np.sort(rows), config.past)
    rest = windowed_score(agent, target, given)

    def values_of(one: Agent) -> Tensor:
        found = _explained(one, target, given, mean, config)
        both = [found["observation"], found["memory"][:, None]]
        return torch.from_numpy(np.concatenate(both, 1))

    episode = chosen.episode[np.sort(rows)]
    begin = _begin(rest, agent, mean)
    return time_trust_line(agent, rest, begin, values_of, episode, config.seed)


@torch.no_grad()
def _mean_seen(agent: Agent, chosen: Chosen) -> Float[Tensor, "1 ..."]:
    """Mean over the decisions of what the network takes in."""
    total: Tensor | float = 0.0
    for some in torch.arange(len(chosen.decisions)).split(64):
        seen = agent.preprocess(chosen.decisions.obs[some])
        total = total + seen.double().sum(0, keepdim=True)
    return (torch.as_tensor(total) / len(chosen.decisions)).float()


@torch.no_grad()
def _recorded(agent: Agent, target: Target, chosen: Chosen) -> np.ndarray:
    """The target of each decision, from the memory that was recorded right before it."""
    parts = []
    for some in torch.arange(len(chosen.decisions)).split(64):
        own = chosen.decisions.rows(some)
        first = torch.zeros((len(some), 1), dtype=torch.bool, device=agent.device)
        rest = windowed_score(agent, target, Windows(own.obs[:, None], own.state, first, own.taken))
        parts.append(rest(rest.activation, torch.arange(len(some))).cpu().numpy())
    return np.concatenate(parts)


def _words(baseline: str, chosen: Chosen) -> str:
    seen = {"zero": "zero", "mean": f"the mean of {len(chosen.decisions)} decisions"}[baseline]
    return f"observations: {seen}; memory: that at the first step of an episode"


def _checks(
    config: TimeConfig, told: dict[str, np.ndarray], recorded: np.ndarray
) -> Sequence[Check]:
    size = max(float(np.abs(recorded).max()), 1e-6)
    apart = float(np.abs(told["target"] - recorded).max()) / size
    count = len(recorded)
    checks = [
        Check.at_most("windows differ from the recorded decisions by", apart, DIFFERENCE, count)
    ]
    if config.by == "integrated_gradients":
        gap, change = np.abs(told["gap"]).mean(), np.abs(told["change"]).mean()
        share = float(gap / change) if change else float(gap > 0)
        return [Check.at_most("completeness: mean gap / mean change", share, GAP, count), *checks]
    if error := float(told["error"].mean()):
        name = "standard error / size of the values"
        return [Check.at_most(name, error, ERROR, count), *checks]
    return checks


def _line(recording: Any, config: TimeConfig, episode: int | None, step: int | None) -> str:
    changed = [f"{k}={v!r}" for k, v in asdict(config).items() if v != getattr(TimeConfig, k)]
    given = [f"TimeConfig({', '.join(changed)})"] if changed else []
    where = {"episode": episode, "step": step}
    given += [f"{name}={number}" for name, number in where.items() if number is not None]
    return python_line(through_time, recording, given, [TimeConfig] if changed else [])
