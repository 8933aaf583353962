"""Method ``memory``: what a recurrent agent's memory does, and what stands in it.

Each recorded decision is taken again with the memory it had and with the memory of an episode's
first step. Letters: N decisions, M numbers of memory, W numbers of a frame's encoding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import takewhile
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence

from policyscope.agents.agent import Agent
from policyscope.agents.heads import Outputs
from policyscope.agents.memory import flat_rows, from_flat_rows
from policyscope.circuits.config import MemoryConfig
from policyscope.circuits.readout import read_out
from policyscope.circuits.resampling import Band, band, episode_weights, mean, per_episode, ratio
from policyscope.core.checks import Check
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.recordings.subject import python_line, subject

EPISODES, ROWS = 20, 512
MOVERS = ("player", "mouse", "ego")
SOURCES = ("memory", "frame", "difference")
DIRECTIONS = ("right", "down")
#: What may be read of a velocity of quite another time; by chance a little below 0.
MOST_BY_CHANCE = 0.05


@dataclass(frozen=True)
class Used:
    """Recorded decisions, taken with their memory and without.

    Args:
        episode: (N,) number of the episode.
        step: (N,) step within it.
        kl: (N,) divergence of the policy with memory from that without, nats; NaN for Q-values.
        agreement: (N,) whether both prefer the same action; NaN for continuous actions.
        value: (N,) value with memory minus value without; NaN without a value.
        memory: (N, M) memory after the observation was seen.
        frame: (N, W) last site that does not depend on memory.
        velocity: (N, 2) of the one who acts, rightwards and downwards; NaN where unknown.
        gap: largest difference of an output from the recorded one.
    """

    episode: np.ndarray
    step: np.ndarray
    kl: np.ndarray
    agreement: np.ndarray
    value: np.ndarray
    memory: np.ndarray
    frame: np.ndarray
    velocity: np.ndarray
    gap: float


def memory_use(
    recording: Any, config: MemoryConfig | None = None, command: str | None = None
) -> Result:
    """Say how much a policy depends on its memory, and how well velocity is read from it.

    Args:
        recording: an opened recording of an agent with memory.
        config: options.
        command: the command line, for the provenance.

    Returns:
        A Result. ``data`` holds, for each decision, the divergence of the policy with its memory
        from the policy whose memory is reset at every step (``kl``, nats), whether both prefer the
        same action (``agreement``) and the change of the value; the means of these with intervals
        over episodes; and the share of the variance of velocity (R squared) that a linear read-out
        finds on episodes it did not see, in the memory and in the frame's own encoding.

    Raises:
        PolicyscopeError: the recorded agent has no memory, or too few episodes.

    Cost: two forward passes for each decision, 512 at a time, then folds x 8 ridge regressions;
        memory for M + W float32 numbers a decision.

    Reference: Alain & Bengio 2016 (linear probes); Field & Welsh 2007 (bootstrap of clusters).
    """
    config = config or MemoryConfig()
    agent = recording.agent
    if not agent.recurrent:
        raise PolicyscopeError(
            f"the agent of {recording.path} has no memory to explain; what it sees is explained by "
            "--method integrated_gradients"
        )
    site = frame_site(agent)
    used = _together(_passes(recording, agent, site), int(recording.episodes["steps"].sum()))
    found, checks = _means(used, config)
    known = used.velocity[np.isfinite(used.velocity).all(1)]
    if len(known) and known.std(0).any():
        read, chance = _velocity(used, config)
        found, checks = xr.merge([found, read]), [*checks, chance]
        notes = []
    else:
        notes = ["the recording has no entity that acts and moves, so no velocity was read"]
    changed = [f"{k}={v!r}" for k, v in asdict(config).items() if v != getattr(MemoryConfig, k)]
    given = [f"MemoryConfig({', '.join(changed)})"] if changed else []
    line = python_line(memory_use, recording, given, [MemoryConfig] if changed else [])
    return Result(
        "memory",
        found.assign_attrs(frame=site, notes="\n".join(notes)),
        {"recording": subject(recording), **asdict(config), "python": line},
        provenance(command or line, config.seed),
        checks,
    )


def frame_site(agent: Agent) -> str:
    """The last site before the first that depends on memory: what a frame alone is encoded as.

    Args:
        agent: with memory.
    """
    obs, state = agent.example(), agent.initial_state(1)
    other = from_flat_rows(np.ones(flat_rows(state).shape, np.float32), state)
    names = list(agent.sites())
    seen = []
    with torch.no_grad():
        for memory in (state, other):
            with capture(agent.modules(), names) as values:
                agent.forward(obs, memory)
            seen.append({name: values[name] for name in names})
    return list(takewhile(lambda name: torch.equal(seen[0][name], seen[1][name]), names))[-1]


def _passes(recording: Any, agent: Agent, site: str) -> Iterator[Used]:
    numbers = sorted(int(k) for k in recording.episodes["episode"])
    told = [name for name in recording.outputs if name in recording.names]
    for begin in range(0, len(numbers), EPISODES):
        part = numbers[begin : begin + EPISODES]
        rows = recording.rows(["obs", "state_in", *told], part)
        rows["velocity"] = np.concatenate([_moving(recording, k) for k in part])
        for at in range(0, len(rows["step"]), ROWS):
            yield _taken(agent, site, {k: v[at : at + ROWS] for k, v in rows.items()}, told)


@torch.no_grad()
def _taken(agent: Agent, site: str, rows: dict[str, np.ndarray], told: Sequence[str]) -> Used:
    obs = torch.from_numpy(rows["obs"]).to(agent.device)
    fresh = agent.initial_state(len(obs))
    kept, after = agent.forward(obs, from_flat_rows(rows["state_in"], fresh))
    with capture(agent.modules(), [site]) as seen:
        reset = agent.forward(obs, fresh)[0]
    gaps = [np.abs(kept[name].cpu().numpy() - rows[name]).max() for name in told if name in kept]
    unknown = torch.full((len(obs),), torch.nan)
    return Used(
        rows["episode"],
        rows["step"],
        divergence(agent.head, kept, reset).cpu().double().numpy(),
        _agreement(agent.head, kept, reset).cpu().double().numpy(),
        (kept["value"] - reset["value"] if "value" in kept else unknown).cpu().double().numpy(),
        flat_rows(after).cpu().float().numpy(),
        seen[site].flatten(1).cpu().float().numpy(),
        rows["velocity"],
        float(max(gaps, default=np.nan)),
    )


def divergence(head: str, kept: Outputs, reset: Outputs) -> Tensor:
    """Kullback-Leibler divergence of one policy from another for each row, in nats.

    Args:
        head: categorical or gaussian; another has no policy, its divergence is NaN.
        kept: outputs of N rows.
        reset: outputs of the policy it is measured from.
    """
    if head == "categorical":
        first, second = (Categorical(logits=o["logits"].double()) for o in (kept, reset))
        return kl_divergence(first, second)
    if head == "gaussian":
        one, two = (Normal(o["mean"].double(), o["log_std"].double().exp()) for o in (kept, reset))
        return kl_divergence(one, two).sum(-1)
    return torch.full((len(next(iter(kept.values()))),), torch.nan)


def _agreement(head: str, kept: Outputs, reset: Outputs) -> Tensor:
    scores = {"categorical": "logits", "q": "q"}.get(head)
    if scores is None:
        return torch.full((len(next(iter(kept.values()))),), torch.nan)
    return (kept[scores].argmax(-1) == reset[scores].argmax(-1)).double()


def _moving(recording: Any, k: int) -> np.ndarray:
    """Velocity of the one who acts at each step, (T, 2); NaN where it is not known."""
    found = np.full((int(recording.line(k)["steps"]), 2), np.nan)
    table = recording.entities(k)
    table = table[table["kind"].isin(MOVERS)] if len(table) else table
    if len(table):
        speed, heading = table["speed"].to_numpy(), table["heading"].to_numpy()
        at = table["step"].to_numpy()
        known = at < len(found)
        found[at[known]] = np.stack([speed * np.cos(heading), speed * np.sin(heading)], 1)[known]
    return found


def _together(parts: Iterator[Used], total: int) -> Used:
    """All parts as one, filled in as they come: two copies would be twice the memory."""
    columns: dict[str, np.ndarray] = {}
    done, gap = 0, 0.0
    for part in parts:
        count = len(part.step)
        for each in fields(Used):
            if each.name != "gap":
                values = getattr(part, each.name)
                if each.name not in columns:
                    columns[each.name] = np.empty((total, *values.shape[1:]), values.dtype)
                columns[each.name][done : done + count] = values
        done, gap = done + count, max(gap, part.gap)
    return Used(**{name: column[:done] for name, column in columns.items()}, gap=gap)


def _means(used: Used, config: MemoryConfig) -> tuple[xr.Dataset, list[Check]]:
    numbers, group = np.unique(used.episode, return_inverse=True)
    weights = episode_weights(len(numbers), config.resamples, config.seed)
    # Row 0 of an episode has nothing to remember: both policies are one there.
    later = used.step > 0
    quantities = {
        "kl": (used.kl, "policy with memory against reset at every step", "nats"),
        "agreement": (used.agreement, "both prefer the same action", "share of decisions"),
        "value_change": (np.abs(used.value), "absolute change of the value", "units of the value"),
    }
    bands = [
        band(mean(weights, np.where(later, v, np.nan), group), config.level, len(numbers))
        for v, _, _ in quantities.values()
    ]
    first = used.kl[~later] if np.isfinite(used.kl).any() else 1 - used.agreement[~later]
    checks = [
        Check.at_most("outputs differ from those recorded by", used.gap, 1e-4, len(group)),
        Check.at_most("divergence at the first step", np.abs(first).max(), 1e-6, len(first)),
    ]
    data = xr.Dataset(
        {
            "kl": ("decision", used.kl, {"unit": "nats"}),
            "agreement": ("decision", used.agreement),
            "value_change": ("decision", used.value),
            "estimate": ("measure", np.array([b.estimate for b in bands])),
            "low": ("measure", np.array([b.low for b in bands])),
            "high": ("measure", np.array([b.high for b in bands])),
            "title": ("measure", [title for _, title, _ in quantities.values()]),
            "unit": ("measure", [unit for _, _, unit in quantities.values()]),
        },
        {
            "measure": list(quantities),
            "episode": ("decision", used.episode),
            "step": ("decision", used.step),
        },
        {"episodes": len(numbers), "decisions": int(later.sum())},
    )
    return data, checks


def _velocity(used: Used, config: MemoryConfig) -> tuple[xr.Dataset, Check]:
    known = np.isfinite(used.velocity).all(1)
    velocity, episode = used.velocity[known], used.episode[known]
    numbers, group = np.unique(episode, return_inverse=True)
    weights = episode_weights(len(numbers), config.resamples, config.seed)
    draws = []
    for features in (used.memory, used.frame):
        predicted = read_out(features[known], velocity, episode, config.folds, config.seed)
        draws.append(_explained(weights, velocity, predicted, group))
    elsewhen = np.roll(velocity, len(velocity) // 2, 0)
    guessed = read_out(used.memory[known], elsewhen, episode, config.folds, config.seed)
    chance = np.nanmax(_explained(weights[:1], elsewhen, guessed, group))
    bands: Band = band(np.stack([*draws, draws[0] - draws[1]], 1), config.level, len(numbers))
    dims = ("source", "direction")
    data = xr.Dataset(
        {
            "read": (dims, bands.estimate, {"unit": "share of variance (R squared)"}),
            "read_low": (dims, bands.low),
            "read_high": (dims, bands.high),
        },
        {"source": list(SOURCES), "direction": list(DIRECTIONS)},
        {"read_rows": int(known.sum())},
    )
    name = "a velocity of another time read from memory, R squared"
    return data, Check.at_most(name, chance, MOST_BY_CHANCE, len(velocity))


def _explained(
    weights: np.ndarray, targets: np.ndarray, predicted: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """R squared for each row of weights and each target, (B, T)."""
    episodes = weights.shape[1]
    counts = per_episode(np.ones_like(targets), group, episodes)
    centre = ratio(weights, per_episode(targets, group, episodes), counts)
    square = ratio(weights, per_episode(targets**2, group, episodes), counts)
    left = ratio(weights, per_episode((targets - predicted) ** 2, group, episodes), counts)
    total = square - centre**2
    return 1 - np.divide(left, total, out=np.full(left.shape, np.nan), where=total > 1e-12)
