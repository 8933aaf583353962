"""Read a recording without policyscope, as docs/format.md says: zarr, pyarrow and numpy are enough.

python examples/plain_reader.py runs/rec
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import zarr


def read_recording(folder):
    """Header, episodes by number, and the table of episodes of a recording.

    An episode is a dict of arrays by name, leading axis step: those of docs/format.md,
    ``final_obs`` where it is known, ``kept`` (steps at which thinned sites were kept) and
    ``entities``, a dict of columns.
    """
    folder = Path(folder)
    header = json.loads((folder / "recording.json").read_text(encoding="utf-8"))
    if header["schema"] != 1:
        raise ValueError(f"this reads schema 1, not {header['schema']}")
    check_seal(header)
    episodes, lines = {}, []
    for shard in sorted(p for p in (folder / "shards").iterdir() if p.name.isdecimal()):
        told = json.loads((shard / "shard.json").read_text(encoding="utf-8"))
        check_seal(told)
        check_files(shard, told.get("files", {}))
        arrays = read_group(zarr.open_group(shard / "arrays.zarr", mode="r"))
        entities = columns(shard / "entities.parquet")
        table = pq.read_table(shard / "episodes.parquet").to_pylist()
        assert [line["episode"] for line in table] == told["episodes"]
        for place, line in enumerate(table):
            episodes[line["episode"]] = one_episode(arrays, entities, line, place, told)
        lines += table
    return header, episodes, lines


def one_episode(arrays, entities, line, place, told):
    """Cut one episode out of a shard."""
    first, stop = line["row"], line["row"] + line["steps"]
    thinned = told.get("thinned", [])
    others = {"final_obs", "has_final_obs", "kept_rows", *thinned}
    found = {name: array[first:stop] for name, array in arrays.items() if name not in others}
    if thinned:
        rows = arrays["kept_rows"]
        own = (rows >= first) & (rows < stop)
        found["kept"] = rows[own] - first
        found |= {name: arrays[name][own] for name in thinned}
    if arrays["has_final_obs"][place]:
        found["final_obs"] = arrays["final_obs"][place]
    mine = entities["episode"] == line["episode"]
    found["entities"] = {name: column[mine] for name, column in entities.items()}
    return found


def read_group(group, above=""):
    """All arrays of a zarr group and of the groups in it, by their paths."""
    found = {}
    for name, member in group.members():
        if isinstance(member, zarr.Group):
            found |= read_group(member, f"{above}{name}/")
        else:
            found[above + name] = member[...]
    return found


def columns(path):
    """Columns of a Parquet file by name."""
    table = pq.read_table(path)
    return {name: np.array(table[name].to_pylist()) for name in table.column_names}


def check_seal(values):
    """Whether JSON values are those that were written, where they hold a checksum."""
    rest = {name: value for name, value in values.items() if name != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    if values.get("sha256", digest(text.encode())) != digest(text.encode()):
        raise ValueError("the values were changed after they were written")


def check_files(shard, sums):
    """Whether the files of a shard are those that were written, where it holds their checksums."""
    for name, expected in sums.items():
        if digest((shard / name).read_bytes()) != expected:
            raise ValueError(f"{shard / name} was changed after it was written")


def digest(data):
    """SHA-256 as hex."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    header, episodes, lines = read_recording(sys.argv[1])
    print(f"{header['env']['id']}, {len(episodes)} of {header['episodes']} episodes")
    for line in lines:
        print(f"episode {line['episode']}: {line['steps']} steps, {line['outcome']}")
    for name, array in sorted(episodes[lines[0]["episode"]].items()):
        if name != "entities":
            print(f"{name:40} {array.dtype.name:8} {array.shape}")
