"""Read recordings: episodes as labelled arrays, entities as tables, columns over many episodes."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from policyscope.agents.agent import Agent
from policyscope.agents.store import load_agent
from policyscope.core.errors import BadFile, UnknownName
from policyscope.core.registry import find
from policyscope.recordings.arrays.dataset import episode_dataset
from policyscope.recordings.arrays.selection import Selection
from policyscope.recordings.arrays.windows import Windows
from policyscope.recordings.errors import NoAgent, UnknownEpisode
from policyscope.recordings.levels import LEVEL, with_levels
from policyscope.recordings.plan import (
    UNKNOWN,
    plan_of,
    read_header,
    require_layout,
    thinned_error,
)
from policyscope.recordings.shards.store import (
    ShardReader,
    finished_shards,
    read_table,
    rebuild_episodes,
    shard_folder,
)

#: Shards whose tables of entities are kept in memory.
TABLES = 4


def open_recording(path: str | Path, partial: bool = False) -> "Recording":
    """Open a recording; arrays are read when they are asked for.

    Args:
        path: its folder, or a URL of any file system that fsspec knows; of that a copy is kept in
            the cache, into which only what is new is fetched.
        partial: accept one whose recorder was stopped, with the shards that are finished.

    Raises:
        BadFile: no recording, of another schema, unfinished, or a part of it is torn.

    Example:
        >>> rec = open_recording("runs/rec")  # doctest: +SKIP
        >>> rec.episode(0)["q"].sel(action_name="FASTER")  # doctest: +SKIP
    """
    return Recording(place_of(path), partial)


def place_of(path: str | Path) -> Path:
    """Folder of a recording on this machine; of one at a URL, that of its copy in the cache.

    Args:
        path: its folder, or a URL of any file system that fsspec knows.

    Raises:
        BadFile: a URL that cannot be reached, or where there is no recording.
    """
    if "://" in str(path):
        from policyscope.recordings.shards.remote import mirrored

        return mirrored(str(path))
    return Path(path)


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
        episodes: one line an episode: episode, seed, level (where the environment has levels),
            steps, return, outcome, ...
    """

    def __init__(self, path: Path, partial: bool = False):
        self.path = path
        values = read_header(path)
        self.plan = plan_of(path, values)
        self.env, self.space, self.act = self.plan.env, self.plan.space, self.plan.act
        self.sites, self.outputs = self.plan.sites, self.plan.outputs
        self.scene: dict[str, Any] = self.plan.scene
        self.provenance: dict[str, Any] = values.get("provenance", {})
        numbers = finished_shards(path)
        require_layout(path, numbers)
        self.finished = numbers == list(range(self.plan.shards))
        if not self.finished and not partial:
            raise BadFile(
                path,
                f"is unfinished: {len(numbers)} of {self.plan.shards} shards are there",
                "run the same record command again, or open it with partial=True",
            )
        self._shards = {n: ShardReader(shard_folder(path, n)) for n in numbers}
        self.episodes = with_levels(self._episodes(numbers), self.env)
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
        self.require_agent()
        return load_agent(self.path / "agent")

    def require_agent(self) -> None:
        """Refuse episodes of another program, of whose agent nothing is known.

        Raises:
            NoAgent: they are.
        """
        if self.act == UNKNOWN and not (self.path / "agent").exists():
            raise NoAgent(self.path)

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def names(self) -> list[str]:
        """Names that ``rows`` knows."""
        first = next(iter(self._shards.values()), None)
        if first is None:
            return []
        return [n.removeprefix("outputs/") for n in (*first.names(), *first.thinned)]

    def episode(self, k: int) -> xr.Dataset:
        """One episode; row t is the decision at step t and what came of it.

        Args:
            k: number of the episode.

        Returns:
            Dims step, row, feature, action_name and those of the sites; variables obs, action,
            policy_action, logp, reward, terminated, truncated, each output by its name (q),
            ``sites/<name>``, row_identity and final_obs; attributes outcome, return, seed and,
            where there are levels, level. Sites that are not kept at every step have the dim
            step_kept in place of step.
        """
        shard, line = self._find(k)
        position, rows = shard.span(k)
        arrays = {name: shard.array(name, rows) for name in shard.names()}
        kept = None
        if shard.thinned:
            own = shard.kept(rows)
            kept = arrays["step"][shard.kept_rows[own] - rows.start]
            arrays |= {name: shard.array(name, own) for name in shard.thinned}
        final = None
        if shard.array("has_final_obs")[position]:
            final = shard.array("final_obs", slice(position, position + 1))[0]
        data = episode_dataset(arrays, final, self.space, shard.thinned, kept)
        told = ("episode", "seed", LEVEL, "steps", "return", "outcome")
        attributes = {key: line[key] for key in told if key in line}
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
            Of sites that are not kept at every step: the rows that are kept.

        Raises:
            UnknownName: no such column.
            PolicyscopeError: sites that are not kept at every step together with other columns.

        Cost: reads one shard at a time.
        """
        wanted = None if episodes is None else sorted(set(episodes))
        for k in wanted or ():
            self._find(k)
        columns, known = dict.fromkeys(["episode", "step", *names]), self.names
        for name in columns:
            if name not in known:
                raise UnknownName("column", name, known)
        thin = [name for name in columns if name.removeprefix("sites/") in self.plan.thinned]
        if thin and {*names} - {*thin, "episode", "step"}:
            raise thinned_error(thin[0], self.plan)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in columns}
        for shard in self._shards.values():
            mine = shard.array("episode")
            keep = np.ones(len(mine), bool) if wanted is None else np.isin(mine, wanted)
            if not keep.any():
                continue
            for name in columns:
                stored = f"outputs/{name}" if name in self.outputs else name
                values = shard.array(stored)
                if thin:
                    own = keep[shard.kept_rows]
                    values = values if name in thin else values[shard.kept_rows]
                parts[name].append(values[own if thin else keep])
        return {name: np.concatenate(pieces) for name, pieces in parts.items()}

    @cached_property
    def _whole(self) -> Selection:
        return Selection(self, self.episodes)

    @property
    def data(self) -> xr.Dataset:
        """The whole recording as one dataset; what is asked for is read, and is not kept.

        Returns:
            Dims decision (the steps of all episodes, one after the other) and those of
            ``episode``; coordinates episode and step; a variable for each column kept at every
            step.

        Cost: the metadata of one shard; then the chunks that hold what is asked for.

        Example:
            >>> at = rec.data  # doctest: +SKIP
            >>> at["q"].sel(action_name="FASTER")[at["step"] == 3].values  # doctest: +SKIP
        """
        return self._whole.data

    def where(self, chosen: str | pd.Series | np.ndarray) -> Selection:
        """Some of the episodes, with the same methods.

        Args:
            chosen: true or false for each line of ``episodes``, or a query of ``find``, which keeps
                the episodes it finds a moment in, and the moments as ``moments``.

        Raises:
            BadQuery: the query cannot be read, or names what the recording does not have.
            PolicyscopeError: not true or false for each episode.

        Example:
            >>> rec.where(rec.episodes["return"] > 5).windows(8)  # doctest: +SKIP
            >>> rec.where("value drops > 1 within 5").moments  # doctest: +SKIP
        """
        return self._whole.where(chosen)

    def find(self, query: str, one_per_episode: bool = False) -> pd.DataFrame:
        """Moments that a query describes; see ``recordings.find.search.find``."""
        from policyscope.recordings.find import search

        return search.find(self, query, one_per_episode)

    def windows(self, length: int, stride: int = 1, names: Sequence[str] | None = None) -> Windows:
        """Every window of successive steps inside one episode, read when it is asked for.

        Args:
            length: steps of a window.
            stride: steps from the beginning of one to that of the next in its episode.
            names: columns to read; all by default.

        Returns:
            ``len``, ``[i]`` (an xarray.Dataset), ``episode`` and ``step`` of all beginnings.
        """
        return self._whole.windows(length, stride, names)

    def sample(
        self, n: int, seed: int, length: int = 1, names: Sequence[str] | None = None
    ) -> xr.Dataset:
        """Steps, or windows, drawn at random, each with the same chance.

        Args:
            n: how many; nothing comes twice unless there are fewer.
            seed: equal seeds draw the same.
            length: steps of a window; 1 draws single steps.
            names: columns to read; all by default.

        Returns:
            Dims decision, ... for single steps, else window, offset, ..., in the order drawn.

        Raises:
            PolicyscopeError: no episode is long enough.
        """
        return self._whole.sample(n, seed, length, names)

    def split(self, hold_out: float = 0.1, seed: int = 0) -> tuple[Selection, Selection]:
        """Part the episodes in two, for training and for validation; see ``Selection.split``."""
        return self._whole.split(hold_out, seed)

    def batches(self, length: int, batch: int, **options: Any) -> Iterator[dict[str, np.ndarray]]:
        """Shuffled batches of windows, for training; see ``recordings.arrays.loader.batches``."""
        return self._whole.batches(length, batch, **options)

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

    def reader(self, shard: int) -> ShardReader:
        """A finished shard.

        Args:
            shard: its number.
        """
        return self._shards[shard]

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

    @cached_property
    def _places(self) -> dict[int, int]:
        return {number: at for at, number in enumerate(self.episodes["episode"].tolist())}

    def _find(self, k: int) -> tuple[ShardReader, pd.Series]:
        at = self._places.get(k)
        if at is None:
            known = self.episodes["episode"]
            held = f"{known.min()}..{known.max()}" if len(known) else "none"
            raise UnknownEpisode(f"there is no episode {k} in {self.path}; it holds {held}")
        line = self.episodes.iloc[at]
        return self._shards[int(line["shard"])], line

    def __repr__(self) -> str:
        totals = f"{len(self)} episodes, {int(self.episodes['steps'].sum())} steps"
        return f"<Recording {self.path}: {self.env.id}, {totals}, {self.act}>"

    def __str__(self) -> str:
        from policyscope.recordings.show import recording_text

        return recording_text(self)

    def _repr_html_(self) -> str:
        return find("notebook view", "recording")(self)
