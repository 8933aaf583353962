"""Read the folders of "Understanding RL agents using generative visualisation": real and simulated.

``record.py`` keeps an episode as ``data_gen_model_E.csv`` and ``episode_E/{ob,hx,lp}.npy``,
``record_gen_samples.py`` a simulated one as ``sample_X/*.npy``. A row of both holds what the agent
*received* and then did: reward and end came WITH the observation, so they are the consequence of
the action of the row before.
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.importers.spaces import seen_space
from policyscope.recordings.importers.trajectory import Kept, Trajectory, Unread

LINEAGE = "generative visualisation, recorded episodes"
SAMPLES = "generative visualisation, simulated samples"
COLUMNS = ("done", "reward", "value", "action")
_TABLE, _SAMPLE = re.compile(r"data_gen_model_(\d+)\.csv"), re.compile(r"sample_(\d+)")
_INDEX = "idx_to_episode.csv"
_TRUE, _FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")
#: Name under which the agent's memory after each step is kept, as that of our own agents.
MEMORY, SIMULATOR = "memory.state", "simulator.state"
_LEFT = ("bottleneck_vec.npy", "grad_*.npy")


def read_folder(path: str | Path, env: EnvSpec | None = None) -> Kept:
    """Episodes or simulated samples of a folder, read one by one. Nothing is unpickled.

    Args:
        path: holds ``data_gen_model_E.csv`` and ``episode_E/``, or ``sample_X/``; or is the folder
            around ``data/`` or ``informed_init/``.
        env: the environment they are of, which the files do not say.

    Raises:
        BadFile: damaged, something else, or parts that do not fit together.
        PolicyscopeError: the environment does not fit.

    Example:
        ``read_folder("runs/logdir", EnvSpec("procgen/coinrun")).episodes[0].state_in``
    """
    path = Path(path)
    if found := _tables(path):
        return _episodes(*found, env)
    if samples := _samples(path):
        return _simulated(samples, env)
    raise BadFile(path, "holds no data_gen_model_E.csv and no sample_X/ims.npy")


def holds_generative(path: Path) -> bool:
    """Whether a folder holds such episodes or samples, by the files in it."""
    return bool(_tables(path) or _samples(path))


def _tables(path: Path) -> tuple[Path, dict[str, Path]] | None:
    for folder in (path, path / "data"):
        names = sorted(folder.glob("data_gen_model_*.csv"))
        if tables := {m[1]: p for p in names if (m := _TABLE.fullmatch(p.name))}:
            return folder, dict(sorted(tables.items(), key=lambda t: int(t[0])))
    return None


def _samples(path: Path) -> list[Path]:
    for folder in (path, path / "informed_init"):
        found = [p for p in folder.glob("sample_*") if (p / "ims.npy").is_file()]
        if named := [p for p in found if _SAMPLE.fullmatch(p.name)]:
            return sorted(named, key=lambda p: int(p.name.removeprefix("sample_")))
    return []


def _episodes(folder: Path, tables: dict[str, Path], env: EnvSpec | None) -> Kept:
    counted = _counted(folder / _INDEX)
    notes = [
        "row t is the decision on frame t; reward and end are those that came with frame t + 1",
        "the last row of an episode, a black frame, is of the next one and is left out",
        "the first frame of an episode is not in the files, unless it is the first of its world",
        "the policy was sampled with noise: logits, logp and actions are the noised ones",
        "rewards are in the units of the training, normalised by a running scale",
    ]
    lengths: list[int] = []
    kept: list[str] = []
    most, cut = 0, 0
    for place, (number, table) in enumerate(tables.items()):
        try:
            rows = _rows(table)
            actions = _arrays(folder, number, len(rows))[2].shape[1]
            if rows["action"].max() >= actions:
                raise BadFile(table, f"has an action that is not one of 0..{actions - 1}")
            if number in counted and counted[number] != len(rows):
                raise BadFile(table, f"has {len(rows)} rows, {_INDEX} {counted[number]}")
        except BadFile as error:
            if place < len(tables) - 1:
                raise
            told = str(error).removeprefix(f"{folder}/")
            notes.append(f"left out: the last episode, {number}, is half written: {told}")
            continue
        ended = bool(rows["done"].iloc[-1])
        if len(rows) - ended < 1:
            notes.append(f"left out: episode {number} has no decision")
            continue
        kept.append(number)
        lengths.append(len(rows) - ended)
        most, cut = max(most, int(rows["action"].max())), cut + (not ended)
    if cut:
        notes.append(f"{cut} episodes have no end: the reward of their last step is unknown")
    if not kept:
        raise BadFile(folder, f"holds no whole episode: {notes[-1]}")
    parts = {p.name.removeprefix("episode_") for p in folder.glob("episode_*") if p.is_dir()}
    if alone := sorted(parts - tables.keys()):
        notes.append(f"left out: {', '.join(alone[:5])}, which have no table")
    notes.append("left out: level_seed, episode_step and global_step")
    first = _arrays(folder, kept[0], len(_rows(tables[kept[0]])))
    wanted = Space(_last(first[0].shape[1:]), "uint8", actions=_numbered(first[2].shape[1]))
    space, env = seen_space(wanted, env, np.array([most]))

    def read(place: int) -> Trajectory:
        number = kept[place]
        rows = _rows(tables[number])
        source = folder / f"episode_{number}"
        return replace(_trajectory(rows, *_arrays(folder, number, len(rows))), source=source)

    return Kept(LINEAGE, Unread(lengths, read), space, env, tuple(notes))


def _trajectory(
    rows: pd.DataFrame, seen: np.ndarray, memory: np.ndarray, logp: np.ndarray
) -> Trajectory:
    ended = bool(rows["done"].iloc[-1])
    n = len(rows) - ended
    action = rows["action"].to_numpy()[:n].astype(np.int64)
    reward = np.append(rows["reward"].to_numpy(float)[1:], np.nan)[:n]
    logits = np.array(logp[:n])
    return Trajectory(
        np.ascontiguousarray(np.moveaxis(seen[:n], 1, -1)),
        action,
        reward,
        "terminated" if ended else "",
        whole=ended,
        logp=logits[np.arange(n), action],
        outputs={"logits": logits, "value": rows["value"].to_numpy(np.float32)[:n]},
        sites={MEMORY: np.array(memory[1 : n + 1])},
        state_in=np.array(memory[:n]),
    )


def _rows(path: Path) -> pd.DataFrame:
    """The table of an episode with ``done`` as bool, whoever rewrote it how often.

    Raises:
        BadFile: damaged, a column is missing, or an end stands before the last row.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadFile(path, f"is no table: {' '.join(str(error).split())[:120]}") from None
    if missing := [name for name in COLUMNS if name not in table]:
        raise BadFile(path, f"has no column {', '.join(missing)}")
    if table.empty:
        raise BadFile(path, "has no row")
    told = table["done"].astype(str).str.strip().str.lower()
    if unread := sorted(set(told) - {*_TRUE, *_FALSE}):
        raise BadFile(path, f"its done is {ascii(unread[0])[:40]}, not true or false")
    table = table[list(COLUMNS)].assign(done=told.isin(_TRUE))
    for name in COLUMNS[1:]:
        if table[name].dtype.kind not in "iufb" or not np.isfinite(table[name].astype(float)).all():
            raise BadFile(path, f"its {name} are not all finite numbers")
    if table["done"].iloc[:-1].any():
        raise BadFile(path, "has an end before its last row")
    if (table["action"] % 1 != 0).any() or (table["action"] < 0).any():
        raise BadFile(path, "has actions that are no numbers of actions")
    return table


def _arrays(folder: Path, number: str, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (T, 3, H, W), memory (T + 1, M) and log-probabilities (T, A), mapped from disk.

    Raises:
        BadFile: one is missing, damaged or of another length than the table.
    """
    part = folder / f"episode_{number}"
    seen = _mapped(part / "ob.npy", "u", 4, rows)
    if seen.dtype != np.uint8 or seen.shape[1] != 3:
        told = f"{seen.dtype.name} {seen.shape}"
        raise BadFile(part / "ob.npy", f"holds {told}, expected uint8 (T, 3, height, width)")
    memory = _mapped(part / "hx.npy", "f", 2, rows + 1)
    return seen, memory, _mapped(part / "lp.npy", "f", 2, rows)


def _mapped(path: Path, kind: str, axes: int, rows: int) -> np.ndarray:
    """An array of numbers on disk, none of which is read before it is asked for.

    Raises:
        BadFile: missing, damaged, pickled objects, or of another shape.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise BadFile(path, "is missing") from None
    except Exception as error:  # damaged bytes can break the reader in any way
        told = " ".join(str(error).split())[:120] or type(error).__name__
        objects = "python objects" in told.lower()
        cause = "refused: it holds pickled objects, which are never opened" if objects else ""
        raise BadFile(path, cause or f"is no whole array: {told}") from None
    if array.dtype.kind != kind or array.ndim != axes or len(array) != rows:
        told = f"{array.dtype.name} {array.shape}"
        raise BadFile(path, f"holds {told}, expected {rows} rows of {axes - 1} axes")
    return array


def _counted(path: Path) -> dict[str, int]:
    """Frames of each episode by ``idx_to_episode.csv``; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        numbers = pd.read_csv(path)["episode"].astype(float).astype(int)
    except (OSError, ValueError, KeyError) as error:
        raise BadFile(path, f"cannot be read: {' '.join(str(error).split())[:120]}") from None
    return {f"{number:05d}": count for number, count in Counter(numbers.tolist()).items()}


def _simulated(samples: list[Path], env: EnvSpec | None) -> Kept:
    """Samples of a simulator: frames (T, H, W, 3), and memory as it is AFTER a frame."""
    notes = [
        "frames are a simulator's, not a game's; none of these episodes was played",
        "actions are the greedy ones: the largest log-probability",
        "rewards are the simulator's, in normalised units, each moved to the step it follows from; "
        "that of the last step is unknown",
        "output 'ended' is the simulated probability that the episode had ended by frame t",
        f"memory before the first step was not kept; {MEMORY} is that after each frame",
        f"left out: {', '.join(_LEFT)}",
    ]
    try:
        _sample(samples[-1])
    except BadFile as error:
        if len(samples) == 1:
            raise
        notes.append(f"left out: the last sample is half written: {error}")
        samples = samples[:-1]
    first = _sample(samples[0])
    actions = first.outputs["logits"].shape[1]
    wanted = Space(first.obs.shape[1:], "uint8", actions=_numbered(actions))
    space, env = seen_space(wanted, env, np.array([actions - 1]))
    episodes = Unread([_length(p / "ims.npy") for p in samples], lambda k: _sample(samples[k]))
    return Kept(SAMPLES, episodes, space, env, tuple(notes))


def _sample(path: Path) -> Trajectory:
    rows = _length(path / "ims.npy")
    seen = np.array(_mapped(path / "ims.npy", "u", 4, rows))
    if seen.dtype != np.uint8 or seen.shape[-1] != 3:
        told = f"{seen.dtype.name} {seen.shape}"
        raise BadFile(path / "ims.npy", f"holds {told}, expected uint8 (T, height, width, 3)")
    vectors = {"agent_logprobs": 2, "agent_hs": 2, "env_hs": 2, "agent_values": 1, "rews": 1,
               "dones": 1}  # fmt: skip
    held = {
        name: np.array(_mapped(path / f"{name}.npy", "f", axes, rows))
        for name, axes in vectors.items()
    }
    logits = held["agent_logprobs"]
    action = logits.argmax(axis=1).astype(np.int64)
    return Trajectory(
        seen,
        action,
        np.append(held["rews"][1:].astype(float), np.nan),
        whole=False,
        logp=logits[np.arange(rows), action],
        outputs={"logits": logits, "value": held["agent_values"], "ended": held["dones"]},
        sites={MEMORY: held["agent_hs"], SIMULATOR: held["env_hs"]},
        source=path,
    )


def _length(path: Path) -> int:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0
            shape = (reader if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)[0]
        return int(shape[0])
    except (OSError, ValueError, IndexError) as error:
        raise BadFile(path, f"is no array: {' '.join(str(error).split())[:120]}") from None


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of an image with its channels last."""
    return (*shape[1:], shape[0])


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(count))
