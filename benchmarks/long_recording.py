"""A recording of many steps, of one recorded shard's files linked under new numbers."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent
from policyscope.core.files import write_json
from policyscope.recordings.plan import read_plan, write_header
from policyscope.recordings.shards.store import (
    ShardReader,
    rebuild_episodes,
    shard_folder,
    write_table,
)
from policyscope.recordings.shards.zarr_files import write_group

STEPS = 1_000_000


def wide_agent() -> Agent:
    """The shipped CoinRun agent's network with a memory and an encoding of 256, untrained."""
    shipped = load_agent("coinrun-gru")
    name, arguments = shipped.network
    wide = {**arguments, "embedding": 256, "memory": 256}
    torch.manual_seed(0)
    net = build_network(name, wide).eval()
    return replace(shipped, net=net, network=(name, wide), initial=None, card={})


def long_recording(source: Path, folder: Path, steps: int) -> int:
    """Repeat shard 0 of a recording until there are enough steps.

    Args:
        source: a recording.
        folder: of the long one, on the same disk.
        steps: at least so many.

    Returns:
        How many there are.
    """
    shard = ShardReader(shard_folder(source, 0))
    copies = -(-steps // shard.rows)
    plan = read_plan(source)
    each = len(shard.episode_numbers)
    shutil.copytree(source / "agent", folder / "agent")
    plan = replace(plan, episodes=each * copies, shard_episodes=each)
    write_header(folder, plan, {"notes": ["one shard, repeated under new numbers"]})
    for number in range(copies):
        _again(shard, shard_folder(folder, number), number, each)
    rebuild_episodes(folder, list(range(copies)))
    return shard.rows * copies


def _again(shard: ShardReader, folder: Path, number: int, each: int) -> None:
    first = number * each
    shutil.copytree(shard.folder, folder, copy_function=os.link)
    shutil.rmtree(folder / "arrays.zarr/episode")
    write_group(folder / "beside", {"episode": shard.array("episode") + first})
    (folder / "beside/episode").rename(folder / "arrays.zarr/episode")
    shutil.rmtree(folder / "beside")
    for name, table in (("entities", shard.entity_table()), ("episodes", shard.episode_table)):
        (folder / f"{name}.parquet").unlink()
        changed = {"episode": first, "seed": first} if name == "episodes" else {"episode": first}
        for column, by in changed.items():
            place = table.schema.get_field_index(column)
            kind = table.schema.field(column)
            table = table.set_column(place, kind, pc.add(table[column], by).cast(kind.type))
        if name == "episodes":
            place = table.schema.get_field_index("shard")
            table = table.set_column(
                place, table.schema.field("shard"), pa.array([number] * len(table), pa.int32())
            )
        write_table(folder / f"{name}.parquet", table)
    values = json.loads((shard.folder / "shard.json").read_text())
    (folder / "shard.json").unlink()
    episodes = [k + first for k in shard.episode_numbers]
    write_json(
        folder / "shard.json",
        {"schema": values["schema"], "episodes": episodes, "rows": values["rows"]},
    )
