"""From the rows of a rollout to the columns of a shard."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from policyscope.agents.memory import flat_row
from policyscope.envs.entities import Entities
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.levels import LEVEL, levels
from policyscope.rollouts.loop import Row

#: Rows of the shard that sites which are not kept at every step belong to.
KEPT_ROWS = "kept_rows"
ENTITY_COLUMNS = {
    "episode": pa.int32(),
    "step": pa.int32(),
    "identity": pa.int64(),
    "kind": pa.string(),
    "row": pa.int64(),
    "x": pa.float64(),
    "y": pa.float64(),
    "heading": pa.float64(),
    "speed": pa.float64(),
    "length": pa.float64(),
    "width": pa.float64(),
}
EPISODE_COLUMNS = {
    "episode": pa.int32(),
    "seed": pa.int64(),
    LEVEL: pa.int64(),  # only where the environment has levels
    "steps": pa.int32(),
    "return": pa.float64(),
    "outcome": pa.string(),
    "terminated": pa.bool_(),
    "truncated": pa.bool_(),
    "shard": pa.int32(),
    "row": pa.int64(),
}


@dataclass(frozen=True)
class Columns:
    """What a shard holds: R rows of E whole episodes.

    Args:
        arrays: by name, leading axis R; ``final_obs`` and ``has_final_obs`` have leading axis E.
        entities: one line for each entity and row.
        episodes: one line for each episode.
        thinned: arrays that hold the rows ``kept_rows`` alone.
    """

    arrays: dict[str, np.ndarray]
    entities: pa.Table
    episodes: pa.Table
    thinned: list[str] = field(default_factory=list)


def slimmed(rows: Iterable[Row], convolutional: Collection[str], every: int) -> Iterator[Row]:
    """Rows with feature maps in float16, and only at some of the steps.

    Args:
        rows: of a rollout, in the order of decisions.
        convolutional: sites to slim.
        every: they are kept at steps of an episode that are multiples of this.

    Cost: frees what is not kept at once, so that a shard of many steps fits into memory.
    """
    if not convolutional:
        yield from rows
        return
    for row in rows:
        keeping = row.step % every == 0
        sites = {
            name: _half(value) if name in convolutional else value
            for name, value in row.sites.items()
            if keeping or name not in convolutional
        }
        yield replace(row, sites=sites)


def _half(values: np.ndarray) -> np.ndarray:
    """In float16, that is with 11 bits and infinite beyond 65504; a copy of its own."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16)


def gather(
    rows: Iterable[Row],
    space: Space,
    seed: int,
    shard: int,
    thinned: Collection[str] = (),
    env: EnvSpec | None = None,
) -> Columns:
    """Order rows by episode and time and stack them.

    Args:
        rows: rows of whole episodes, in any order of episodes.
        space: names of the observation's rows, if it has any.
        seed: seed of episode 0.
        shard: number of the shard.
        thinned: sites that only some of the rows hold, the first of each episode among them.
        env: where, for the levels that the seeds stand for.
    """
    by_episode: dict[int, list[Row]] = {}
    for row in rows:
        by_episode.setdefault(row.episode, []).append(row)
    ordered = [by_episode[k] for k in sorted(by_episode)]
    flat = [row for episode in ordered for row in episode]
    first = flat[0]
    arrays = {
        "episode": np.array([r.episode for r in flat], np.int32),
        "step": np.array([r.step for r in flat], np.int32),
        "obs": np.stack([r.obs for r in flat]),
        "action": np.stack([r.action for r in flat]),
        "policy_action": np.stack([r.policy_action for r in flat]),
        "logp": np.array([r.logp for r in flat], np.float32),
        "reward": np.array([r.reward for r in flat], np.float64),
        "terminated": np.array([r.terminated for r in flat]),
        "truncated": np.array([r.truncated for r in flat]),
        "final_obs": np.stack([_final(episode[-1]) for episode in ordered]),
        "has_final_obs": np.array([e[-1].final_obs is not None for e in ordered]),
    }
    for name in first.outputs:
        arrays[f"outputs/{name}"] = np.stack([r.outputs[name] for r in flat])
    for name in first.sites:
        values = np.stack([r.sites[name] for r in flat if name in r.sites])
        half = values.dtype == np.float16
        arrays[f"sites/{name}"] = values if half else values.astype(np.float32)
    if thinned:
        keeping = [i for i, r in enumerate(flat) if not r.sites.keys().isdisjoint(thinned)]
        arrays[KEPT_ROWS] = np.array(keeping, np.int32)
    if first.state_in is not None:
        arrays["state_in"] = np.stack([flat_row(r.state_in) for r in flat])
    if space.rows:
        arrays["row_identity"] = row_identity(flat, len(space.rows))
    names = [f"sites/{name}" for name in first.sites if name in thinned]
    lines = episode_table(_episodes(ordered, seed, shard), env)
    return Columns(arrays, _entities(flat), lines, names)


def row_identity(rows: list[Row], width: int) -> np.ndarray:
    """Identity of the entity that each row of each observation shows, -1 where none: (R, width)."""
    table = np.full((len(rows), width), -1, np.int32)
    for t, row in enumerate(rows):
        entities = row.entities
        if entities is not None and len(entities):
            shown = entities.row >= 0
            table[t, entities.row[shown]] = entities.identity[shown]
    return table


def _final(row: Row) -> np.ndarray:
    return np.zeros_like(row.obs) if row.final_obs is None else row.final_obs


def _entities(rows: list[Row]) -> pa.Table:
    tables = [r.entities if r.entities is not None else Entities.empty() for r in rows]
    counts = [len(t) for t in tables]
    columns = {
        "episode": np.repeat([r.episode for r in rows], counts),
        "step": np.repeat([r.step for r in rows], counts),
    }
    for name in list(ENTITY_COLUMNS)[2:]:
        columns[name] = np.concatenate([getattr(t, name) for t in tables])
    return pa.table(columns, schema=pa.schema(list(ENTITY_COLUMNS.items())))


def episode_table(lines: Sequence[Mapping[str, Any]], env: EnvSpec | None) -> pa.Table:
    """The table of some episodes, with their levels where the environment has levels.

    Args:
        lines: the other columns of each.
        env: where.
    """
    found = [None] * len(lines) if env is None else levels(env, [line["seed"] for line in lines])
    none = all(level is None for level in found)
    kinds = {name: kind for name, kind in EPISODE_COLUMNS.items() if name != LEVEL or not none}
    whole = [{**line, LEVEL: level} for line, level in zip(lines, found, strict=True)]
    return pa.Table.from_pylist(whole, schema=pa.schema(list(kinds.items())))


def _episodes(episodes: list[list[Row]], seed: int, shard: int) -> list[dict[str, Any]]:
    lines, row = [], 0
    for episode in episodes:
        last = episode[-1]
        lines.append({
            "episode": last.episode,
            "seed": seed + last.episode,
            "steps": len(episode),
            "return": float(np.sum([r.reward for r in episode])),
            "outcome": "+".join(last.outcome),
            "terminated": last.terminated,
            "truncated": last.truncated,
            "shard": shard,
            "row": row,
        })  # fmt: skip
        row += len(episode)
    return lines
