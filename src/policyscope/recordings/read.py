"""Read recordings: episodes as labelled arrays, entities as tables, columns over many episodes."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from policyscope.agents.agent import Agent
from policyscope.agents.store import load_agent
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.core.registry import find
from policyscope.recordings.dataset import episode_dataset
from policyscope.recordings.plan import UNKNOWN, Plan, read_header
from policyscope.recordings.store import (
    ShardReader,
    finished_shards,
    read_table,
    rebuild_episodes,
    shard_folder,
)

#: Shards whose tables of entities are kept in memory.
TABLES = 4


class UnknownEpisode(UnknownName):
    """A number that stands for no episode of a recording."""

    def __init__(self, message: str):
        PolicyscopeError.__init__(self, message)


class NoAgent(UnknownName):
    """A recording of episodes of another program, of whose agent nothing is known."""

    def __init__(self, path: Path):
        super().__init__("agent", path.name, ())
        told = "the recording holds no agent: its episodes were imported, their policy is unknown"
        self.args = (f"{path}: {told}",)


def open_recording(path: str | Path, partial: bool = False) -> "Recording":
    """Open a recording; arrays are read when they are asked for.

    Args:
        path: its folder.
        partial: accept one whose recorder was stopped, with the shards that are finished.

    Raises:
        BadFile: no recording, of another schema, unfinished, or a part of it is torn.

    Example:
        >>> rec = open_recording("runs/rec")  # doctest: +SKIP
        >>> rec.episode(0)["q"].sel(action_name="FASTER")  # doctest: +SKIP
    """
    return Recording(Path(path), partial)


class Recording:
    """A recording on disk.

    Args:
        path: its folder.
        partial: accept an unfinished one.

    Attributes:
        env: the environment.
        space: its observations and actions, with names.
        act: greedy or sample; unknown for episodes of another program.
        sites: captured activations and their shapes.
        outputs: the network's outputs and their shapes.
        scene: background of the scene, JSON values.
        provenance: where it comes from.
        finished: whether all its episodes are there.
        episodes: one line an episode: episode, seed, steps, return, outcome, ...
    """

    def __init__(self, path: Path, partial: bool = False):
        self.path = path
        values = read_header(path)
        self.plan = Plan.from_json(values)
        self.env, self.space, self.act = self.plan.env, self.plan.space, self.plan.act
        self.sites, self.outputs = self.plan.sites, self.plan.outputs
        self.scene: dict[str, Any] = self.plan.scene
        self.provenance: dict[str, Any] = values.get("provenance", {})
        numbers = finished_shards(path)
        self.finished = numbers == list(range(self.plan.shards))
        if not self.finished and not partial:
            raise BadFile(
                path,
                f"is unfinished: {len(numbers)} of {self.plan.shards} shards are there",
                "run the same record command again, or open it with partial=True",
            )
        self._shards = {n: ShardReader(shard_folder(path, n)) for n in numbers}
        self.episodes = self._episodes(numbers)
        self._entities = lru_cache(TABLES)(ShardReader.entities)
        self._videos: dict[tuple[int, int], bytes] = {}

    def _episodes(self, numbers: list[int]) -> pd.DataFrame:
        expected = sum(len(shard.episode_numbers) for shard in self._shards.values())
        try:
            table = read_table(self.path / "episodes.parquet").to_pandas()
        except BadFile:  # lost or damaged: the shards hold it too
            return rebuild_episodes(self.path, numbers)
        return table if len(table) == expected else rebuild_episodes(self.path, numbers)

    @cached_property
    def agent(self) -> Agent:
        """The agent that was recorded.

        Raises:
            NoAgent: the episodes are those of another program.
        """
        if self.act == UNKNOWN and not (self.path / "agent").exists():
            raise NoAgent(self.path)
        return load_agent(self.path / "agent")

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def names(self) -> list[str]:
        """Names that ``rows`` knows."""
        first = next(iter(self._shards.values()), None)
        return [] if first is None else [n.removeprefix("outputs/") for n in first.names()]

    def episode(self, k: int) -> xr.Dataset:
        """One episode; row t is the decision at step t and what came of it.

        Args:
            k: number of the episode.

        Returns:
            Dims step, row, feature, action_name and those of the sites; variables obs, action,
            policy_action, logp, reward, terminated, truncated, each output by its name (q),
            ``sites/<name>``, row_identity and final_obs; attributes outcome, return, seed.
        """
        shard, line = self._find(k)
        position, rows = shard.span(k)
        arrays = {name: shard.array(name, rows) for name in shard.names()}
        final = None
        if shard.array("has_final_obs")[position]:
            final = shard.array("final_obs", slice(position, position + 1))[0]
        data = episode_dataset(arrays, final, self.space)
        attributes = {key: line[key] for key in ("episode", "seed", "steps", "return", "outcome")}
        return data.assign_attrs({k: getattr(v, "item", lambda v=v: v)() for k, v in
                                  attributes.items()})  # fmt: skip

    def entities(self, k: int) -> pd.DataFrame:
        """Entities of one episode, each step's scene before the step.

        Args:
            k: number of the episode.
        """
        shard, _ = self._find(k)
        table = self._entities(shard)
        return table[table["episode"] == k].reset_index(drop=True)

    def rows(
        self, names: Sequence[str], episodes: Iterable[int] | None = None
    ) -> dict[str, np.ndarray]:
        """Columns over many episodes, concatenated in the order of the episodes.

        Args:
            names: such as obs, q, reward, ``sites/attention_layer.pattern``; see ``names``.
            episodes: numbers of episodes in rising order; all by default.

        Returns:
            Arrays by name, leading axis row, with ``episode`` and ``step`` beside those asked for.

        Raises:
            UnknownName: no such column.

        Cost: reads one shard at a time.
        """
        wanted = None if episodes is None else sorted(set(episodes))
        for k in wanted or ():
            self._find(k)
        columns = dict.fromkeys(["episode", "step", *names])
        for name in columns:
            if name not in self.names:
                raise UnknownName("column", name, self.names)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in columns}
        for shard in self._shards.values():
            mine = shard.array("episode")
            keep = np.ones(len(mine), bool) if wanted is None else np.isin(mine, wanted)
            if not keep.any():
                continue
            for name in columns:
                stored = f"outputs/{name}" if name in self.outputs else name
                parts[name].append(shard.array(stored)[keep])
        return {name: np.concatenate(pieces) for name, pieces in parts.items()}

    def video(self, k: int, size: int = 480) -> bytes:
        """One episode as the bytes of an mp4 file, kept for the next call.

        Args:
            k: number of the episode.
            size: side of the scene in pixels.

        Raises:
            MissingPart: PyAV is not installed.
            PolicyscopeError: the replay does not give the recorded observations.
        """
        if (k, size) not in self._videos:
            from policyscope.recordings.clips.video import video_bytes

            self._videos[k, size] = video_bytes(self, k, size=size)
        return self._videos[k, size]

    def place(self, k: int) -> tuple[ShardReader, slice]:
        """Where an episode lies: its shard and its rows there.

        Args:
            k: number of the episode.

        Raises:
            UnknownName: no such episode.
        """
        shard, _ = self._find(k)
        return shard, shard.span(k)[1]

    def line(self, k: int) -> pd.Series:
        """The line of one episode in ``episodes``.

        Args:
            k: number of the episode.

        Raises:
            UnknownName: no such episode.
        """
        return self._find(k)[1]

    def _find(self, k: int) -> tuple[ShardReader, pd.Series]:
        lines = self.episodes[self.episodes["episode"] == k]
        if not len(lines):
            known = self.episodes["episode"]
            held = f"{known.min()}..{known.max()}" if len(known) else "none"
            raise UnknownEpisode(f"there is no episode {k} in {self.path}; it holds {held}")
        line = lines.iloc[0]
        return self._shards[int(line["shard"])], line

    def __repr__(self) -> str:
        totals = f"{len(self)} episodes, {int(self.episodes['steps'].sum())} steps"
        return f"<Recording {self.path}: {self.env.id}, {totals}, {self.act}>"

    def __str__(self) -> str:
        from policyscope.recordings.show import recording_text

        return recording_text(self)

    def _repr_html_(self) -> str:
        return find("notebook view", "recording")(self)
