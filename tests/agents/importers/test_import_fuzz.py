"""Damaged, foreign and hostile files: one clear line, nothing is run, nothing left behind."""

import io
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.importers import files
from policyscope.cli.main import main

IMPALA = {"widths": [2, 3, 3], "embedding": 8}


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@dataclass
class Kind:
    """One kind of file: its weights or arrays by name, how they are written, and flags it needs."""

    make: Callable[[], dict[str, Any]]
    write: Callable[[dict[str, Any]], bytes]
    name: str
    flags: list[str] = field(default_factory=list)


def by_torch(key=None, old=False):
    def write(weights):
        values = {key: weights} if key else weights
        file = io.BytesIO()
        torch.save(values, file, _use_new_zipfile_serialization=not old)
        return file.getvalue()

    return write


def jd(args):
    def write(params):
        return pickle.dumps({"args": args, "params": params, "extra": {}}, 3)

    return write


def npz(arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def weights_of(network, **arguments):
    return lambda: build_network(network, arguments).state_dict()


def clear():
    """The clear network's arrays, with random numbers."""
    rng, params, before = np.random.default_rng(0), {}, 3
    layers = (("1a", 7, 2), ("2a", 5, 3), ("2b", 5, 3), ("3a", 5, 2), ("4a", 5, 2))
    for name, kernel, width in layers:
        params[f"pi/{name}/conv2d/kernel:0"] = rng.normal(size=(kernel, kernel, before, width))
        params[f"pi/{name}/conv2d/bias:0"] = rng.normal(size=width)
        before = width
    dense = {"pi/dense": (32, 5), "pi/dense_1": (5, 4)}
    for name, shape in dense.items():
        params |= {f"{name}/kernel:0": np.ones(shape), f"{name}/bias:0": np.ones(shape[1])}
    for name, count in {"pi": 15, "vf": 1}.items():
        params |= {f"{name}/w:0": np.ones((4, count)), f"{name}/b:0": np.ones(count)}
    return {k: v.astype(np.float32) for k, v in params.items()}


def impala():
    rng, params, layer, before = np.random.default_rng(0), {}, 0, 3
    for width in (2, 3, 2):
        for inside in (before, *[width] * 4):
            params[f"pi/layer_{layer}/kernel:0"] = rng.normal(size=(3, 3, inside, width))
            params[f"pi/layer_{layer}/bias:0"] = np.zeros(width)
            layer += 1
        before = width
    params |= {f"pi/layer_{layer}/kernel:0": np.ones((128, 4)), "pi/w:0": np.ones((4, 15))}
    params |= {f"pi/layer_{layer}/bias:0": np.ones(4), "pi/b:0": np.ones(15)}
    params |= {"vf/w:0": np.ones((4, 1)), "vf/b:0": np.ones(1)}
    return {k: np.float32(v) for k, v in params.items()}


def cleanrl():
    made = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    return {f"network.{k}": v.detach() for k, v in made.state_dict().items()}


def rollouts():
    return {
        "obs": np.ones((12, 4), np.float32), "acts": np.tile([0, 1], 5),
        "rews": np.ones(10), "terminal": np.array([True, False]), "indices": np.array([4]),
    }  # fmt: skip


def trajectories():
    firsts = np.zeros((2, 9), bool)
    firsts[:, 4] = True
    return {
        "observations": np.zeros((2, 9, 8, 8, 3), np.uint8), "firsts": firsts,
        "actions": np.ones((2, 9), np.int64), "rewards": np.ones((2, 9), np.float32),
    }  # fmt: skip


MODEL = {"env_kind": "procgen", "env_name": "coinrun"}
KINDS = {
    "rl_agents": Kind(
        weights_of("ego_attention"), by_torch("state_dict"), "latest.tar", ["--heads", "2"]
    ),
    "clear": Kind(clear, jd({"cnn": "clear", **MODEL}), "clear.jd"),
    "impala": Kind(impala, jd({"cnn": "impala", **MODEL}), "impala.jd"),
    "procgen": Kind(weights_of("impala", **IMPALA), by_torch("state_dict"), "model_7.pth"),
    "procgen_gru": Kind(
        weights_of("impala_gru", **IMPALA, memory=5), by_torch("model_state_dict"), "model_7.pth"
    ),
    "procgen_old": Kind(
        weights_of("impala", **IMPALA), by_torch("state_dict", old=True), "model_7.pth"
    ),
    "cleanrl": Kind(cleanrl, by_torch(), "dqn.cleanrl_model"),
    "sb3": Kind(dict, lambda _: b"", "model.zip"),
    "imitation": Kind(rollouts, npz, "final.npz"),
    "trajectories": Kind(trajectories, lambda v: pickle.dumps(v, 3), "a.trajectories.jd"),
}


@pytest.fixture(params=KINDS)
def kind(request, sb3, tmp_path, canary):
    if request.param != "sb3":
        return KINDS[request.param]
    settings = sb3.settings(canary, sb3.SEEN, sb3.DONE)

    def write(weights):
        return sb3.written(tmp_path, settings, weights, "made.zip").read_bytes()

    return Kind(sb3.actor_critic, write, "model.zip")


@dataclass
class Tried:
    """What the command made of a file."""

    folder: Path
    capsys: Any

    def __call__(self, kind: Kind, data: bytes, *flags: str) -> str | None:
        """What it said in its one line; None where it made something."""
        path, out = self.folder / kind.name, self.folder / "out"
        path.write_bytes(data)
        before = {p.name for p in self.folder.iterdir()}
        code = main(["import", str(path), *kind.flags, *flags, "--out", str(out)])
        err = self.capsys.readouterr().err
        if code == 0:
            assert any((out / f).is_file() for f in ("agent.json", "recording.json"))
            shutil.rmtree(out)
            return None
        assert code == 2
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert len(err) < 700
        assert {p.name for p in self.folder.iterdir()} == before
        return err


@pytest.fixture
def tried(tmp_path, capsys):
    folder = tmp_path / "files"
    folder.mkdir()
    return Tried(folder, capsys)


def test_the_file_itself_is_taken(kind, tried):
    assert tried(kind, kind.write(kind.make())) is None


def test_truncations_are_refused(kind, tried):
    data = kind.write(kind.make())
    places = {0, 1, 2, 10, len(data) - 1, len(data) - 2, len(data) - 30}
    for length in sorted(places | set(range(0, len(data), len(data) // 25))):
        assert tried(kind, data[:length]), length


def contents(data):
    """What the archive's entries hold; the bytes themselves where there is no archive."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_changed_bytes_are_refused_or_still_a_file(kind, tried):
    """In an archive, whose entries have checksums, only bytes between them may change unseen."""
    data, rng = kind.write(kind.make()), np.random.default_rng(1)
    whole, refused = contents(data), 0
    for _ in range(25):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            changed[place] = rng.integers(256)
        err = tried(kind, bytes(changed))
        refused += err is not None
        if err is None and isinstance(whole, dict):
            assert contents(bytes(changed)) == whole
    assert refused


def test_missing_parts_are_refused(kind, tried):
    values = kind.make()
    for name in values:
        if (kind.name, name) in (("final.npz", "rews"), ("model.zip", "log_std")):
            continue
        left = {k: v for k, v in values.items() if k != name}
        assert tried(kind, kind.write(left)), name
    assert tried(kind, kind.write({}))


def reshaped(value):
    """The same numbers or fewer in shapes that do not fit, and types that are no weights."""
    numbers = torch if isinstance(value, torch.Tensor) else np
    flat = value.reshape(-1)
    others = [numbers.zeros(0), numbers.zeros((1, 1, 1, 1, 1)), numbers.ones((3, 1, 2)), flat[0]]
    if len(flat) > 1:
        others.append(flat[:-1])
    others.append(numbers.zeros((2**40, 0)))
    return others


def test_other_shapes_are_refused(kind, tried):
    values = kind.make()
    for name, value in list(values.items())[:: max(1, len(values) // 8)]:
        for other in reshaped(value):
            if tuple(other.shape) != tuple(value.shape):
                assert tried(kind, kind.write({**values, name: other})), (name, other.shape)


def test_weights_that_are_no_numbers_are_refused(kind, tried):
    values = kind.make()
    if kind.name in ("final.npz", "a.trajectories.jd"):
        pytest.skip("episodes may hold numbers that are not finite")
    for name, value in list(values.items())[:: max(1, len(values) // 5)]:
        for number in (float("nan"), float("inf")):
            bad = value + 0
            bad[(0,) * bad.ndim] = number
            assert "finite" in str(tried(kind, kind.write({**values, name: bad})))


def test_shapes_larger_than_the_file_are_refused(kind, tried):
    values = kind.make()
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            huge = value.reshape(-1)[:1].expand(10**9, *value.shape[1:]) if value.dim() else value
            if value.dim() > 1:
                huge = value[:1].expand(10**9, *value.shape[1:])
            assert tried(kind, kind.write({**values, name: huge})), name


def test_code_in_the_file_is_not_run(kind, tried, canary):
    values, evil = kind.make(), Evil(canary)
    for name in list(values)[::3]:
        bad = np.array([evil] * 3, object) if kind.name == "final.npz" else evil
        assert tried(kind, kind.write({**values, name: bad})), name
    assert tried(kind, pickle.dumps(evil))
    assert tried(kind, pickle.dumps({"state_dict": values, "args": evil, "params": {}}, 2))


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_of_code_are_not_run(tried, canary, protocol):
    for value in (Evil(canary), {"observations": Evil(canary)}, [Evil(canary)]):
        data = pickle.dumps(value, protocol)
        for lineage in ([], ["--lineage", "rl_clarity"], ["--lineage", "rl_clarity_rollouts"]):
            assert tried(Kind(dict, bytes, "x.jd"), data, *lineage)


def bomb(kind, data):
    """The archive with its largest entry replaced by many zeros, compressed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(
        made, "w", zipfile.ZIP_DEFLATED
    ) as new:  # fmt: skip
        largest = max(old.infolist(), key=lambda part: part.file_size).filename
        for name in old.namelist():
            new.writestr(name, bytes(2**24) if name == largest else old.read(name))
    return made.getvalue()


def test_zip_bombs_are_refused_unpacked(kind, tried, monkeypatch):
    data = kind.write(kind.make())
    if not zipfile.is_zipfile(io.BytesIO(data)):
        pytest.skip("no archive")
    monkeypatch.setattr(files, "LARGEST_UNPACKED", 2**20)
    assert "would unpack to" in tried(kind, bomb(kind, data))


def test_bombs_inside_an_archive_are_refused_too(sb3, tmp_path, tried, canary, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_UNPACKED", 2**23)
    stored = bomb(None, by_torch()(sb3.actor_critic()))
    settings = sb3.settings(canary, sb3.SEEN, sb3.DONE)
    path = sb3.written(tmp_path, settings, {}, **{"policy.pth": stored})
    assert "would unpack to" in tried(Kind(dict, bytes, "m.zip"), path.read_bytes())


def test_containers_that_hold_themselves_many_times_are_refused(tried):
    laugh = ["ha"]
    for _ in range(60):
        laugh = [laugh, laugh]
    for values in (
        {"args": {"cnn": laugh}, "params": {}}, {"args": laugh, "params": laugh},
        {"observations": laugh}, {"args": {"cnn": np.ones(3)}, "params": {}},
        {"args": {"cnn": "9" * 10**6 + "\n"}, "params": {}},
    ):  # fmt: skip
        assert tried(Kind(dict, bytes, "x.jd"), pickle.dumps(values, 4))


@pytest.mark.parametrize("setting", [float("nan"), "a\nb", 10**400, ["x"], None])
def test_odd_settings_beside_the_weights_do_not_matter(tried, setting):
    data = pickle.dumps({"args": {"odd": setting, **MODEL}, "params": clear(), "extra": {1: 2}}, 3)
    assert tried(Kind(dict, bytes, "x.jd"), data) is None
