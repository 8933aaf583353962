"""Imported agents against the formulas of their lineage, as ``doctor --original FILE.py`` does."""

import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.doctor.examine import examine
from policyscope.agents.doctor.origin import compare_origin
from policyscope.agents.doctor.originals import FORMULAS, find_original
from policyscope.agents.doctor.parity import parity
from policyscope.agents.importers.recognise import import_agent, recognise
from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec

ROOT = Path(__file__).resolve().parents[3]
IMPALA = {"widths": [4, 6, 8], "embedding": 20, "actions": 7, "shape": [3, 64, 64]}


def drawn(weights):
    """Numbers of the size that a layer's width asks for, under the same names."""
    return {
        name: torch.randn(v.shape) * (v[0].numel() ** -0.5 if v.dim() > 1 else 0.3)
        for name, v in weights.items()
    }


def shapes_of(network, arguments):
    return drawn(build_network(network, arguments).state_dict())


def dense(sizes, part):
    return {
        f"{part}.{2 * i}.{end}": torch.randn(shape) * a**-0.5
        for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False))
        for end, shape in (("weight", (b, a)), ("bias", (b,)))
    }


def cleanrl_procgen_weights():
    """The same shapes as ours under CleanRL's names."""
    found = {}
    for name, value in shapes_of("impala", IMPALA).items():
        for i in (1, 2, 3):
            name = name.replace(f"embedder.block{i}", f"network.{i - 1}")
            name = name.replace(f"res{i}.", f"res_block{i - 1}.").replace(
                f"conv{i}.", f"conv{i - 1}."
            )
        name = name.replace("embedder.fc", "network.5")
        found[name.replace("fc_policy", "actor").replace("fc_value", "critic")] = value
    return found


def nature(**heads):
    """CleanRL's Atari networks: three convolutions, a dense layer, a head or two."""
    shapes = {"network.0": (32, 4, 8, 8), "network.2": (64, 32, 4, 4), "network.4": (64, 64, 3, 3)}
    shapes |= {"network.7": (16, 3136)} | {name: (count, 16) for name, count in heads.items()}
    empty = {f"{name}.weight": torch.empty(shape) for name, shape in shapes.items()}
    return drawn(empty | {f"{n}.bias": torch.empty(shape[0]) for n, shape in shapes.items()})


def baselines(shapes):
    """What rl_clarity keeps: arrays in TensorFlow's layout, by shape."""
    shapes = shapes | {"vf/w": (9, 1), "vf/b": (1,), "pi/w": (9, 15), "pi/b": (15,)}
    rng = np.random.default_rng(3)
    params = {
        f"ppo2_model/{name}:0": (
            rng.normal(size=shape) * max(np.prod(shape[:-1]), 4) ** -0.5
        ).astype(np.float32)
        for name, shape in shapes.items()
    }
    return {"params": params, "extra": {}}


def clear_file():
    shapes, before = {}, 3
    for name, side, width in (("1a", 7, 3), ("2a", 5, 4), ("2b", 5, 5), ("3a", 5, 4), ("4a", 5, 3)):
        shapes[f"pi/{name}/conv2d/kernel"] = (side, side, before, width)
        shapes[f"pi/{name}/conv2d/bias"] = (width,)
        before = width
    shapes |= {"pi/dense/kernel": (48, 8), "pi/dense/bias": (8,)}
    shapes |= {"pi/dense_1/kernel": (8, 9), "pi/dense_1/bias": (9,)}
    return {"args": {"cnn": "clear"}, **baselines(shapes)}


def impala_file():
    shapes, layer, before = {}, 0, 3
    for width in (4, 6, 5):
        for inside in (before, width, width, width, width):
            shapes[f"pi/layer_{layer}/kernel"] = (3, 3, inside, width)
            shapes[f"pi/layer_{layer}/bias"] = (width,)
            layer += 1
        before = width
    shapes |= {f"pi/layer_{layer}/kernel": (320, 9), f"pi/layer_{layer}/bias": (9,)}
    return {"args": {"cnn": "impala"}, **baselines(shapes)}


LINEAGES = {
    "procgen": lambda: {"model_state_dict": shapes_of("impala", IMPALA)},
    "procgen_gru": lambda: {"state_dict": shapes_of("impala_gru", {**IMPALA, "memory": 12})},
    "cleanrl_dqn": lambda: dense([4, 12, 12, 3], "network"),
    "cleanrl_ppo": lambda: dense([4, 9, 9, 3], "actor") | dense([4, 9, 9, 1], "critic"),
    "cleanrl_continuous": lambda: {
        **dense([3, 9, 9, 1], "actor_mean"), **dense([3, 9, 9, 1], "critic"),
        "actor_logstd": torch.randn(1, 1),
    },
    "cleanrl_atari": lambda: nature(actor=6, critic=1),
    "cleanrl_atari_dqn": lambda: nature(**{"network.9": 6}),
    "cleanrl_procgen": cleanrl_procgen_weights,
    "rl_agents": lambda: {"state_dict": shapes_of("ego_attention", {"heads": 4})},
    "rl_clarity": clear_file,
    "rl_clarity_impala": impala_file,
}  # fmt: skip
HINTS = {"rl_agents": {"heads": 4}, "cleanrl_continuous": {"env": EnvSpec("gym:Pendulum-v1")}}
#: Wrong variants of an original, which the comparison must see.
MUTANTS = {
    "procgen": [{"padding": "end"}],
    "procgen_gru": [{"order": (1, 0, 2)}, {"padding": "end"}],
    "cleanrl_dqn": [{"activation": torch.tanh}],
    "cleanrl_ppo": [{"activation": torch.relu}],
    "cleanrl_continuous": [{"activation": torch.relu}],
    "cleanrl_atari": [{"twist": True}],
    "cleanrl_atari_dqn": [{"twist": True}],
    "cleanrl_procgen": [{"padding": "end"}, {"skip": False}],
    "rl_agents": [{"averaged": False}, {"heads": 2}],
    "rl_clarity": [{"pool": "mean"}],
    "rl_clarity_impala": [{"padding": "both"}],
}


def formulas(path):
    return ROOT / FORMULAS[recognise(path)]


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Write a checkpoint of a lineage; the agent imported from it, and its path."""
    monkeypatch.setenv("HEADS", "4")

    def make(name):
        stored, path = LINEAGES[name](), tmp_path / "model.pth"
        if name.startswith("rl_clarity"):
            path.write_bytes(pickle.dumps(stored, 3))
        else:
            torch.save(stored, path)
        return import_agent(path, **HINTS.get(name, {})), path

    return make


def observations(agent, lineages):
    if agent.space.obs_dtype == "uint8":
        if agent.space.obs_shape[0] == 4:
            return torch.randint(0, 256, (2, 2, 4, 84, 84), dtype=torch.uint8)
        return lineages.frames(3, 2)
    obs = torch.randn(4, 6, *agent.space.obs_shape)
    if obs.dim() == 4:
        obs[..., 0] = (torch.rand(obs.shape[:3]) < 0.5).float()
        obs[..., 0, 0] = 1
    return obs


@pytest.mark.parametrize("name", LINEAGES)
def test_imported_agent_computes_what_its_lineage_computes(name, lineages, imported):
    agent, path = imported(name)
    obs = observations(agent, lineages)
    found = parity(agent, find_original(agent, formulas(path), path).original, obs)
    assert found.check.passed
    assert found.precision == "float64"
    assert max(found.gaps.values()) <= 1e-12
    assert 1e-12 < max(found.rounding.values()) <= 1e-5
    assert found.rows == obs.shape[0] * obs.shape[1]
    assert found.left_out == ()
    origin = compare_origin(agent, path)
    assert (origin.same_file, origin.unused, origin.missing) == (True, (), ())


@pytest.mark.parametrize(
    ("name", "changes"), [(name, c) for name, changes in MUTANTS.items() for c in changes]
)
def test_the_comparison_sees_a_wrong_original(name, changes, lineages, imported):
    agent, path = imported(name)
    wrong = runpy.run_path(str(formulas(path)))["original_of"](path, **changes)
    assert not parity(agent, wrong, observations(agent, lineages)).check.passed


def test_every_lineage_has_a_wrong_variant_and_formulas():
    assert set(MUTANTS) == set(LINEAGES)
    for lineage, file in FORMULAS.items():
        assert (ROOT / file).is_file()
        assert any(name.startswith(lineage.partition("_pytorch")[0]) for name in LINEAGES)


def test_the_doctor_measures_parity_and_weights_by_the_formulas(imported):
    agent, path = imported("cleanrl_dqn")
    report = examine(agent, 32, original=formulas(path), checkpoint=path)
    told = {f.name: (f.verdict, f.told) for f in report.findings}
    assert told["parity"][0] == told["weights"][0] == "passed"
    assert "original of original_cleanrl.py with the weights of model.pth" in told["parity"][1]
    assert report.conclusion == "nothing failed"
    with torch.no_grad():
        agent.net.predict.weight.mul_(1.01)
    wrong = examine(agent, 32, original=formulas(path), checkpoint=path)
    assert wrong.conclusion == "FAILED: parity, weights"


def test_a_head_count_that_is_not_said_is_asked_for(imported, monkeypatch):
    agent, path = imported("rl_agents")
    monkeypatch.delenv("HEADS")
    with pytest.raises(BadFile, match="write HEADS=4 before the command"):
        find_original(agent, formulas(path), path)


def test_the_published_network_equals_its_formulas_and_numpy(lineages):
    path = lineages.shared("coinrun_clear.jd")
    agent, obs = import_agent(path), lineages.frames(2, 4)
    original = find_original(agent, formulas(path), path).original
    found = parity(agent, original, obs)
    assert max(found.gaps.values()) <= 1e-12
    assert max(found.rounding.values()) <= 2e-5
    params = runpy.run_path(str(formulas(path)))["arrays"](path)
    numpy = {f"{name}": value.numpy() for name, value in params.items()}
    theirs, mine = lineages.clear(numpy, obs[0].numpy()), original(obs[0])
    assert all(np.abs(theirs[k] - mine[k].numpy()).max() <= 1e-9 for k in ("logits", "value"))
    origin = compare_origin(agent, path)
    assert (origin.tensors, origin.unused, origin.missing) == (18, (), ())
