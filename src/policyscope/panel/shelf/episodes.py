"""The table of a recording's episodes, and one of them."""

from typing import Any

import pandas as pd

from policyscope.panel.contract.episode import EpisodeDetail
from policyscope.panel.contract.recording import EpisodeTable
from policyscope.panel.shelf.environment import large
from policyscope.panel.shelf.episode_file import episode_file, refs
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.shelf.version import shard_version
from policyscope.recordings.read import Recording


def episode_table(shelf: Shelf, rec: str) -> EpisodeTable:
    """The table of all episodes; errors are those of ``describe``."""
    table = shelf.recording(rec).episodes
    return EpisodeTable(
        episode=table["episode"].tolist(),
        seed=[_whole(seed) for seed in table["seed"]],
        outcome=[str(outcome) for outcome in table["outcome"]],
        total=table["return"].tolist(),
        steps=table["steps"].tolist(),
    )


def episode_detail(shelf: Shelf, rec: str, k: int) -> EpisodeDetail:
    """One episode, and where its arrays lie.

    Args:
        shelf: what is served.
        rec: id of the recording.
        k: number of the episode.

    Raises:
        UnknownName: no such recording or episode.
        BadFile: the recording or the episode's shard is torn.
    """
    recording = shelf.recording(rec)
    file = episode_file(shelf, recording, k)
    line = recording.line(k)
    version = shard_version(recording.place(k)[0].folder)
    return EpisodeDetail(
        recording=rec,
        episode=k,
        seed=whole_seed(recording, k),
        outcome=str(line["outcome"]),
        total=float(line["return"]),
        steps=int(line["steps"]),
        kinds=file.kinds,
        arrays=refs(file, f"/api/recordings/{rec}/episodes/{k}/arrays?v={version}"),
        bytes=file.bytes,
        pictures=f"/api/recordings/{rec}/episodes/{k}/pictures" if large(recording) else "",
        python=opened(recording, shelf.typed(recording.path), [f"recording.episode({k})"]),
    )


def whole_seed(recording: Recording, k: int) -> int | None:
    """The seed that an episode began from; None where there was none."""
    return _whole(recording.line(k)["seed"])


def _whole(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)
