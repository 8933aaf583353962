"""Entities taken out of the recorded scene one by one: does the target change as it was told?"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
import torch
from jaxtyping import Float
from torch import Tensor

from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.score import score
from policyscope.attribution.config import SLOPES, UNSIGNED, AttributionConfig
from policyscope.attribution.methods.asked import held
from policyscope.attribution.results.entity_shares import by_entity
from policyscope.attribution.results.maps import arrays_of
from policyscope.attribution.trust.line import ROWS, Figure
from policyscope.core.errors import PolicyscopeError
from policyscope.core.numbers import rounded
from policyscope.core.progress import tell_progress
from policyscope.core.stats import Interval, bootstrap_mean
from policyscope.core.target_parser import Target
from policyscope.core.targets import evaluate, horizon, needed_sites
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.changes import ACTING, SCENERY
from policyscope.recordings.replays.scenes import Scene, scene_at
from policyscope.recordings.replays.worlds import Worlds

#: Fewer entities have no ranking that could be wrong in more than one way.
LEAST = 3
#: Changes of this share of the target's size are those of arithmetic.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Removals:
    """What the target loses when each of P entities alone is taken out of a recorded scene.

    Args:
        target: as it was recorded.
        identity: (P,) of the entities that can be removed.
        kind: (P,) of each.
        effect: (P,) target as recorded minus target without the entity.
        left_out: entities that cannot be removed, those who act and the scenery not counted.
    """

    target: float
    identity: np.ndarray
    kind: np.ndarray
    effect: np.ndarray
    left_out: int


def removal_effects(
    recording: Recording, target: Target, episode: int, step: int, worlds: Worlds | None = None
) -> Removals:
    """Remove each entity alone from a recorded scene and ask the agent again.

    Args:
        recording: an opened recording in which scenes can be changed.
        target: a number made of outputs of the same step; ``taken`` stays the recorded action.
        episode: number of the episode.
        step: row of the episode.
        worlds: worlds kept from earlier questions.

    Raises:
        UnknownName: no such episode, action or output.
        BadFile: the recording holds no agent.
        PolicyscopeError: no such step, a target that looks ahead or reads activations, or a world
            that does not do what was recorded.

    Cost: one observation an entity, about a millisecond each, and one batch.

    Example:
        >>> found = removal_effects(recording, parse_target("value"), 3, 17)  # doctest: +SKIP
        >>> dict(zip(found.kind, found.effect))  # doctest: +SKIP
    """
    if not of_outputs(target):
        raise PolicyscopeError(
            f"target '{target}' reads more than outputs of its step; removals are measured on "
            "targets such as value or q[taken]"
        )
    with scene_at(recording, episode, step, worlds) as scene:
        entities = scene.lane.entities()
        kinds = entities.kind.astype(str)
        tried = np.flatnonzero(~np.isin(kinds, [*SCENERY, *ACTING]))
        seen = [scene.observe([SceneEdit("remove", int(entities.identity[i]))]) for i in tried]
        able = np.array([obs is not None for obs in seen], bool)
        recorded = np.array(scene.course.value("obs", step))
        worth = _targets(scene, target, [recorded, *(obs for obs in seen if obs is not None)])
    same = [np.array_equal(obs, recorded) for obs in seen if obs is not None]
    effect = worth[0] - worth[1:]
    effect[np.abs(effect) <= ROUNDING * max(1.0, np.abs(worth).max())] = 0.0
    effect[np.array(same, bool)] = 0.0
    rows = tried[able]
    return Removals(
        float(worth[0]), entities.identity[rows], kinds[rows], effect, int((~able).sum())
    )


def of_outputs(target: Target) -> bool:
    """Whether a target is made of outputs of its own step alone."""
    return (
        not horizon(target)
        and not any(term.kind == "direction" for term in target.terms)
        and (not needed_sites(target))
    )


def _targets(scene: Scene, target: Target, seen: list[np.ndarray]) -> Float[np.ndarray, " M"]:
    """The target of observations, the first of which is the recorded one."""
    outputs = {k: torch.from_numpy(v) for k, v in scene.decide(np.stack(seen)).items()}
    taken = torch.as_tensor(np.asarray(scene.course.value("action", scene.step)))
    taken = taken.expand(len(seen), *taken.shape)
    actions = tuple(scene.course.recording.space.actions)
    recorded = {name: out[:1] for name, out in outputs.items()}
    found = evaluate(target, outputs, {}, actions, taken, recorded=recorded)
    return found.double().numpy()


def removal_figure(
    recording: Recording,
    target: Target,
    chosen: Chosen,
    site: str,
    config: AttributionConfig,
    values: Float[Tensor, "N ..."],
    baseline: Tensor | float = 0.0,
    known: dict[tuple[int, int], Removals] | None = None,
) -> Figure | None:
    """Whether an attribution ranks the entities of a scene as their removal does.

    Of up to 32 decisions in which the agent sees at least 3 entities that can be removed: the rank
    correlation of what each accounts for with what the target loses without it, signs included.
    Decisions in which one of the two is the same for all entities are not counted.

    Args:
        recording: an opened recording.
        target: what was attributed.
        chosen: N decisions, of which some are drawn.
        site: what it was attributed to.
        config: method and seed.
        values: (N, ...) the attribution.
        baseline: what the activation was compared with, (N, ...), (1, ...) or one number: slopes
            are multiplied with the difference.
        known: effects by episode and step that were measured before; new ones are put there.

    Returns:
        The figure; its reading tells the mean size of the effects, or why none was measured. None
        where the values lie on no entities or tell no direction, or the target reads more than
        outputs of its step.

    Cost: a replay of the episodes that decisions are drawn from, and an observation an entity: 2 to
        5 s for 32 decisions.
    """
    if not of_outputs(target) or config.method in UNSIGNED:
        return None
    agent, numbers = recording.agent, values.numpy()
    able = _movable(by_entity(recording, arrays_of(agent, chosen, site, numbers)))
    counts = able.groupby("row").size()
    rows = counts.index[counts >= LEAST].to_numpy()
    if not len(rows):
        return None
    rows = np.sort(np.random.default_rng(config.seed).permutation(rows)[:ROWS])
    drawn, shares = _rows(chosen, rows), values[torch.as_tensor(rows)]
    if config.method in SLOPES:
        start = score(agent, target, drawn.decisions, site, held(config)).activation.cpu()
        given = torch.as_tensor(baseline).cpu()
        given = given[torch.as_tensor(rows)] if given.dim() and len(given) > 1 else given
        shares = shares * (start - given)
    data = arrays_of(agent, drawn, site, shares.numpy())
    if config.method not in SLOPES:  # times the difference they are shares
        data.attrs["method"] = config.method
    table = _movable(by_entity(recording, data))
    effects_at = {} if known is None else known
    worlds, found, sizes = Worlds(), np.full(len(rows), np.nan), []
    try:
        for i, lines in table.groupby("row"):
            tell_progress(int(i), len(rows), "removing entities")
            k, step = int(drawn.episode[i]), int(drawn.step[i])
            if (k, step) not in effects_at:
                effects_at[k, step] = removal_effects(recording, target, k, step, worlds)
            removed = effects_at[k, step]
            effects = dict(zip(removed.identity.tolist(), removed.effect, strict=True))
            both = [
                (share, effects[who])
                for who, share in zip(lines["identity"], lines["share"], strict=True)
                if who in effects
            ]
            if len(both) >= LEAST:
                found[i] = rank_correlation(*np.array(both).T)
                sizes += [abs(effect) for _, effect in both]
    except PolicyscopeError as error:  # no world, or not the recorded one: the values stand alone
        return _unmeasured(str(error))
    finally:
        worlds.close()
    return _figure(found, drawn.episode, sizes, config.seed) if sizes else None


def _unmeasured(cause: str) -> Figure:
    return Figure("removal", np.nan, -np.inf, np.inf, 0, "higher", f"not measured: {cause}")


def _movable(table: Any) -> Any:
    """Without those who act and what the scene is made of."""
    return table[~table["kind"].isin([*SCENERY, *ACTING])]


def _rows(chosen: Chosen, rows: np.ndarray) -> Chosen:
    identity = None if chosen.identity is None else chosen.identity[rows]
    return replace(
        chosen, decisions=chosen.decisions.rows(torch.as_tensor(rows)),
        episode=chosen.episode[rows], step=chosen.step[rows], identity=identity,
    )  # fmt: skip


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where one is constant.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([-3.0, 0.0, 1.0]))
        1.0
    """
    a, b = (scipy.stats.rankdata(values) - (len(values) + 1) / 2 for values in (x, y))
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / size) if size else float("nan")


def _figure(
    values: Float[np.ndarray, " N"], episode: np.ndarray, sizes: list[float], seed: int
) -> Figure:
    known = np.isfinite(values)
    means = [values[known & (episode == k)].mean() for k in np.unique(episode[known])]
    found = bootstrap_mean(np.array(means), seed) if means else Interval(np.nan, -np.inf, np.inf, 0)
    reading = (
        "1: ranks entities as their removal from the scene does, 0: unlike it; "
        f"a removal changes the target by {rounded(np.mean(sizes))} in the mean"
    )
    return Figure("removal", found.mean, found.low, found.high, int(known.sum()), "higher", reading)
