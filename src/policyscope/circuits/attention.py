"""Method ``attention``: what each head of an ego-attention agent looks at, untrained and trained.

Letters: R decisions, K heads, V rows of the observation, S sets of weights (trained, initial).
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from policyscope.agents.agent import Agent
from policyscope.circuits import checks
from policyscope.circuits.bins import binned
from policyscope.circuits.changes import action_changes
from policyscope.circuits.claims import CLAIMS, direction_contrast, judge, judge_training
from policyscope.circuits.config import AttentionConfig
from policyscope.circuits.decisions import Decisions, gather
from policyscope.circuits.heads import PARTS, attention_forward, attention_layer, exact_terms
from policyscope.circuits.measures import Data, Measure, all_measures
from policyscope.circuits.relations import UNITS
from policyscope.circuits.resampling import band, episode_weights
from policyscope.core.checks import Check
from policyscope.core.errors import PolicyscopeError
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.recordings.subject import agent_of, python_line, subject

WEIGHTS = ("trained", "initial")
QUANTITIES = ("trained", "initial", "difference")
NO_INITIAL = (
    "the run's own initial weights are unknown, so nothing here tells what training brought about"
)
NO_AGENT = "the recording holds no agent, so the attention was not computed again to compare"
RECOMPUTED = (
    "the recording holds no {site}: the attention was computed again, one forward pass of the "
    "recorded agent for each recorded observation"
)


def explain(
    recording: Any, config: AttentionConfig | None = None, command: str | None = None
) -> Result:
    """Relate every head's attention to the vehicles it looks at, and put the paper's claims to it.

    Args:
        recording: an opened recording of an agent with ego attention, with its scene.
        config: options.
        command: the command line, for the provenance.

    Returns:
        A Result. ``data`` holds the attention by decision, head and observation row with the
        identities of the vehicles, their relations to the ego, every measure with its interval for
        the trained and the run's own initial weights and their difference, a verdict on each
        claim, binned means, and the decisions at which the action changes.

    Raises:
        PolicyscopeError: the recording lacks something; the message names the flag to record it.
        BadFile: the recorded agent is damaged.

    Cost: one forward pass of each set of weights for each decision, then some seconds of
    resampling for 1000 resamples of 1000 decisions.

    Reference: Leurent & Mercat 2019 (arXiv 1911.12250), sections 3 and 4.
    """
    config = config or AttentionConfig()
    agent = agent_of(recording)
    prefix = attention_layer(agent)[0] if agent else "attention_layer"
    recorded = [f"{prefix}.{p}" for p in PARTS if f"{prefix}.{p}" in recording.sites]
    if agent is None and f"{prefix}.pattern" not in recorded:
        raise PolicyscopeError(
            f"the recording holds neither its agent nor the site {prefix}.pattern; record it again "
            f"with --sites '{prefix}.*'"
        )
    decisions = gather(recording, recorded, config.horizon)
    found = analyse(decisions, agent, prefix, config, greedy=recording.act == "greedy")
    line = _python(recording, config)
    return replace(
        found,
        parameters={"recording": subject(recording), **found.parameters, "python": line},
        provenance=provenance(command or line, config.seed),
    )


def analyse(
    decisions: Decisions,
    agent: Agent | None,
    prefix: str,
    config: AttentionConfig,
    greedy: bool = True,
) -> Result:
    """Explain decisions that are in memory; see ``explain``.

    Args:
        decisions: of a recording, with the attention where it was recorded.
        agent: who took them; None where it is unknown and the attention was recorded.
        prefix: site of the attention layer.
        config: options.
        greedy: whether the actions were taken greedily.
    """
    obs = torch.from_numpy(decisions.obs)
    now = _numpy(attention_forward(agent, obs)) if agent else {}
    named = {p: decisions.sites.get(f"{prefix}.{p}") for p in PARTS}
    recorded = {p: _flat(v, p) for p, v in named.items() if v is not None}
    pattern = recorded["pattern"] if "pattern" in recorded else now["pattern"]
    found = [checks.absent_mass(pattern, decisions.identity >= 0)]
    if greedy:
        found.append(checks.greedy_actions(decisions.action, decisions.q))
    if agent is not None:
        found += _checks(decisions, agent, recorded, now)
    patterns = [pattern]
    if agent is not None and agent.initial is not None:
        twin = agent.with_weights(agent.initial)
        before = _numpy(attention_forward(twin, obs))
        found += _identities(twin, obs, before, dict.fromkeys(PARTS, "initial weights"))
        patterns.append(before["pattern"])
    pattern = np.stack(patterns).astype(np.float64)
    notes = [] if len(pattern) == 2 else [NO_INITIAL]
    if "pattern" not in recorded:
        notes.append(RECOMPUTED.format(site=f"{prefix}.pattern"))
    if agent is None:
        notes.append(NO_AGENT)
    data = _dataset(decisions, pattern, config, agent)
    return Result(
        method="attention",
        data=data.assign_attrs(notes="\n".join(notes), prefix=prefix),
        parameters=asdict(config),
        provenance=provenance(seed=config.seed),
        checks=tuple(found),
        unchecked="; ".join(notes) or None,
    )


def _python(recording: Any, config: AttentionConfig) -> str:
    changed = [f"{k}={v!r}" for k, v in asdict(config).items() if v != getattr(AttentionConfig, k)]
    if not changed:
        return python_line(explain, recording)
    given = f"AttentionConfig({', '.join(changed)})"
    return python_line(explain, recording, [given], [AttentionConfig])


def _numpy(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in tensors.items()}


def _flat(value: np.ndarray, part: str) -> np.ndarray:
    """Drop the query axis: the ego is the only one that asks."""
    return value.squeeze(-2) if part in ("scores", "pattern") else value


def _checks(
    d: Decisions, agent: Agent, recorded: dict[str, np.ndarray], now: dict[str, np.ndarray]
) -> list[Check]:
    found = []
    names = list(agent.space.features)
    if "x" in names and "y" in names:
        seen = d.obs[..., [names.index("x"), names.index("y")]]
        positions = checks.row_positions(d.position, seen)
        found += [positions] if positions else []
    same = "recorded {} that of the recorded observation"
    found.append(checks.gap(same.format("value is"), d.q, now["q"], checks.FLOAT32))
    if "pattern" in recorded:
        found.append(
            checks.gap(
                same.format("attention is"), recorded["pattern"], now["pattern"], checks.FLOAT32
            )
        )
    sources = {p: "recorded" if p in recorded else "computed again" for p in PARTS}
    return found + _identities(agent, torch.from_numpy(d.obs), {**now, **recorded}, sources)


def _identities(
    agent: Agent, obs: torch.Tensor, single: dict[str, np.ndarray], sources: dict[str, str]
) -> list[Check]:
    """The attention follows from each head's weights: in float64, and as computed in float32."""
    terms, double = exact_terms(agent, obs)
    found = []
    for part, words in _IDENTITIES.items():
        ours, source = getattr(terms, part).numpy(), sources[part]
        layers = double[part].numpy()
        found.append(checks.gap(f"{words} (float64, {source})", ours, layers, checks.FLOAT64))
        found.append(checks.gap(f"{words} (float32, {source})", ours, single[part], checks.FLOAT32))
    return found


_IDENTITIES = {
    "scores": "scores follow from each head's weights",
    "pattern": "attention is the softmax over entities of those scores",
    "residual": "output is half of the heads' sum and the ego",
}


def _dataset(
    d: Decisions,
    pattern: Float[np.ndarray, "S R K V"],
    config: AttentionConfig,
    agent: Agent | None,
) -> xr.Dataset:
    networks, rows, heads, slots = pattern.shape
    weights = episode_weights(len(np.unique(d.episode)), config.resamples, config.seed)
    together = np.moveaxis(pattern, 0, 1).reshape(rows, networks * heads, slots)
    data = Data(d, together, weights, config)
    measures = [*all_measures(data), direction_contrast(data, heads)]
    actions = agent.space.actions if agent else ()
    coords = {
        "weights": list(WEIGHTS[:networks]),
        "quantity": list(QUANTITIES),
        "head": np.arange(heads),
        "row": np.arange(slots),
        "action": list(actions) or [f"action {i}" for i in range(d.q.shape[-1])],
        "episode": ("decision", d.episode),
        "step": ("decision", d.step),
    }
    frame = xr.Dataset(
        {
            "attention": (("weights", "decision", "head", "row"), pattern.astype(np.float32)),
            "identity": (("decision", "row"), d.identity),
            **{k: (("decision", "row"), v, {"unit": UNITS[k]}) for k, v in d.relations.items()},
            "q": (("decision", "action"), d.q),
            "taken": ("decision", d.action),
        },
        coords,
    )
    return xr.merge(
        [
            frame,
            _measures(measures, networks, config.level),
            _verdicts(measures, networks, config.level),
            binned(data, networks),
            action_changes(d),
            _episodes(d),
        ]
    )


def _episodes(d: Decisions) -> xr.Dataset:
    table = d.episodes
    return xr.Dataset(
        {
            "outcome": ("recorded_episode", table["outcome"].to_numpy(dtype=str)),
            "return": ("recorded_episode", table["return"].to_numpy(dtype=float)),
        },
        {"recorded_episode": table["episode"].to_numpy()},
    )


def _split(draws: Float[np.ndarray, "B H"], networks: int) -> Float[np.ndarray, "B 3 K"]:
    """Trained, initial and their difference; NaN where the initial weights are unknown."""
    split = draws.reshape(len(draws), networks, -1)
    trained = split[:, 0]
    initial = split[:, 1] if networks == 2 else np.full(trained.shape, np.nan)
    return np.stack([trained, initial, trained - initial], axis=1)


def _measures(measures: Sequence[Measure], networks: int, level: float) -> xr.Dataset:
    bands = [band(_split(m.draws, networks), level, m.episodes) for m in measures]
    dims = ("measure", "quantity", "head")
    return xr.Dataset(
        {
            "estimate": (dims, np.stack([b.estimate for b in bands])),
            "low": (dims, np.stack([b.low for b in bands])),
            "high": (dims, np.stack([b.high for b in bands])),
            "title": ("measure", [m.title for m in measures]),
            "unit": ("measure", [m.unit for m in measures]),
            "n_rows": ("measure", [m.rows for m in measures]),
            "n_episodes": ("measure", [m.episodes for m in measures]),
        },
        {"measure": [m.name for m in measures]},
    )


def _verdicts(measures: Sequence[Measure], networks: int, level: float) -> xr.Dataset:
    by_name = {m.name: m for m in measures}
    verdicts, learned = [], []
    for claim in CLAIMS:
        shown, effect = by_name[claim.verdict], by_name[claim.effect]
        trained = band(_split(shown.draws, networks)[:, 0], level, shown.episodes)
        change = band(_split(effect.draws, networks)[:, 2], level, effect.episodes)
        verdicts.append(judge(claim.sign, trained.low, trained.high))
        learned.append(judge_training(claim.sign, change.low, change.high))
    return xr.Dataset(
        {
            "verdict": (("claim", "head"), np.array(verdicts)),
            "learned": (("claim", "head"), np.array(learned)),
            "claim_text": ("claim", [c.text for c in CLAIMS]),
            "claim_verdict": ("claim", [c.verdict for c in CLAIMS]),
            "claim_effect": ("claim", [c.effect for c in CLAIMS]),
            "claim_sign": ("claim", [c.sign for c in CLAIMS]),
        },
        {"claim": [c.name for c in CLAIMS]},
    )
