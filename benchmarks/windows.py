"""Training windows of CoinRun: frames a second that shuffled batches of 34 steps hold.

Ours is `Recording.batches` with 2 workers, shuffled over at least 64 episodes, from the start of
the workers to the last batch of an epoch: every window once, and windows that share no step, for
which each frame is decoded for one window alone. The peer loads as "Understanding RL agents using
generative visualisation" does: a folder an episode, for each window its CSV parsed and whole `.npy`
files read, by torch's DataLoader with 2 workers; windows stay inside their episode, bytes are not
made floats. Both give frames, actions, rewards, ends and memory. CPU seconds are of all processes.
The recording is 64 episodes, written several times under new numbers.

    python benchmarks/windows.py --copies 8 --repeats 5
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from torch.utils.data import DataLoader, Dataset

from measure import report
from policyscope.agents.store import load_agent
from policyscope.recordings.plan import write_header
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.gather import Columns
from policyscope.recordings.shards.store import rebuild_episodes, write_shard

LENGTH, BATCH, WORKERS, EPISODES = 34, 32, 2, 64
GOAL = 20_000
Measured = tuple[float, float]


def grown(small: Recording, copies: int, folder: Path) -> Recording:
    """The episodes of a recording several times, each time under new numbers."""
    shards = small.plan.shards
    for copy in range(copies):
        for shard in range(shards):
            reader = small.reader(shard)
            later = copy * len(small)
            every = [*reader.names(), "final_obs", "has_final_obs"]
            arrays = {name: reader.array(name) for name in every}
            arrays["episode"] = arrays["episode"] + np.int32(later)
            number = copy * shards + shard
            moved = {"episode": later, "shard": number - shard}
            tables = [_moved(t, moved) for t in (reader.entity_table(), reader.episode_table)]
            write_shard(folder, number, Columns(arrays, *tables))
    rebuild_episodes(folder, list(range(copies * shards)))
    write_header(folder, replace(small.plan, episodes=copies * len(small)), {})
    return open_recording(folder)


def _moved(table: pa.Table, by: dict[str, int]) -> pa.Table:
    for name in set(by) & set(table.column_names):
        values = pa.array(table[name].to_numpy() + by[name], table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def write_folders(recording: Recording, out: Path) -> None:
    """The recording as folders of episodes."""
    for k in recording.episodes["episode"].tolist():
        data, folder = recording.episode(k), out / f"episode_{k:05}"
        folder.mkdir(parents=True)
        np.save(folder / "ob.npy", data["obs"].values.transpose(0, 3, 1, 2))
        state = data["state_in"].values
        np.save(folder / "hx.npy", np.concatenate([state, state[-1:]]))
        np.save(folder / "lp.npy", data["logits"].values)
        steps = data.sizes["step"]
        table = {
            "level_seed": data.attrs["seed"],
            "episode": k,
            "global_step": np.arange(steps),
            "episode_step": np.arange(steps),
            "done": data["terminated"].values,
            "reward": data["reward"].values,
            "value": data["value"].values,
            "action": data["action"].values,
        }
        pd.DataFrame(table).to_csv(out / f"data_gen_model_{k:05}.csv")


class Folders(Dataset):
    """Windows of folders of episodes: each one's table and arrays are read anew."""

    def __init__(self, out: Path, places: list[tuple[int, int]]):
        self.out, self.places = out, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        k, t = self.places[index]
        table = pd.read_csv(self.out / f"data_gen_model_{k:05}.csv")
        inside, folder = slice(t, t + LENGTH), self.out / f"episode_{k:05}"
        item = {
            name: table[name].to_numpy()[inside].copy() for name in ("done", "reward", "action")
        }
        arrays = {n: np.load(folder / f"{n}.npy", allow_pickle=False) for n in ("ob", "hx", "lp")}
        return {**item, **{name: array[inside].copy() for name, array in arrays.items()}}


def measured(batches: Iterable[dict], frames: str, most: int) -> Measured:
    """Frames a second, and a CPU second of all processes, of some batches from the start on."""
    before, start, count = os.times(), time.perf_counter(), 0
    iterator = iter(batches)
    for number, batch in enumerate(iterator, 1):
        count += batch[frames].shape[0] * batch[frames].shape[1]
        if number == most:
            break
    seconds = time.perf_counter() - start
    del iterator  # stops the workers, whose time counts when they have ended
    after = os.times()
    return count / seconds, count / sum(b - a for a, b in zip(before[:4], after[:4], strict=True))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", default="coinrun-gru")
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-batches", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        agent = load_agent(options.agent)
        small = record(agent, None, EPISODES, 500_000, (), out / "small")
        recording = grown(small, options.copies, out / "rec")
        write_folders(recording, out / "folders")
        windows = recording.windows(LENGTH, names=["obs"])
        places = list(zip(windows.episode.tolist(), windows.step.tolist(), strict=True))
        found: dict[str, list[Measured]] = {"every": [], "apart": [], "peer": []}
        for turn in range(options.repeats):
            ours = {"seed": turn, "workers": WORKERS, "episodes": EPISODES}
            every = recording.batches(LENGTH, BATCH, **ours)
            found["every"].append(measured(every, "obs", len(places)))
            del every
            apart = recording.batches(LENGTH, BATCH, stride=LENGTH, **ours)
            found["apart"].append(measured(apart, "obs", len(places)))
            del apart
            loader = DataLoader(
                Folders(out / "folders", places), BATCH, shuffle=True, num_workers=WORKERS,
                drop_last=True,
            )  # fmt: skip
            found["peer"].append(measured(loader, "ob", options.peer_batches))
    wall, cpu = (
        {name: statistics.median(one[i] for one in all_) for name, all_ in found.items()}
        for i in range(2)
    )
    told = f"{LENGTH}-step windows, {len(recording)} episodes"
    for name, title in (("every", "windows"), ("apart", "windows_apart")):
        for values, per in ((wall, "second"), (cpu, "CPU_second")):
            report(
                f"{title}_frames_a_{per}",
                values[name],
                values["peer"],
                goal=GOAL,
                goal_on="ours",
                better="higher",
                unit=f"frames a {per.replace('_', ' ')}, {told}",
                n=options.repeats,
            )


if __name__ == "__main__":
    main()
