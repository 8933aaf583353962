"""Imported agents against an independent forward of their lineage, by the doctor's parity."""

import numpy as np
import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.doctor.origin import compare_origin
from policyscope.agents.doctor.parity import parity
from policyscope.agents.importers.recognise import import_agent
from policyscope.core.pickled_data import read_pickled

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


LINEAGES = {
    "procgen": lambda: {"model_state_dict": shapes_of("impala", IMPALA)},
    "procgen_gru": lambda: {"state_dict": shapes_of("impala_gru", {**IMPALA, "memory": 12})},
    "cleanrl_dqn": lambda: dense([4, 12, 12, 3], "network"),
    "cleanrl_ppo": lambda: dense([4, 9, 9, 3], "actor") | dense([4, 9, 9, 1], "critic"),
    "cleanrl_procgen": cleanrl_procgen_weights,
    "rl_agents": lambda: {"state_dict": shapes_of("ego_attention", {"heads": 4})},
}
HINTS = {"rl_agents": {"heads": 4}}
#: Wrong variants of an original, which the comparison must see.
MUTANTS = {
    "procgen": [{"padding": "end"}],
    "procgen_gru": [{"order": (1, 0, 2)}],
    "cleanrl_dqn": [{"layers": (0, 4)}],
    "cleanrl_ppo": [{"activation": torch.relu}],
    "cleanrl_procgen": [{"padding": "end"}, {"skip": False}],
    "rl_agents": [{"averaged": False}, {"heads": 2}],
}


def imported(name, tmp_path):
    stored = LINEAGES[name]()
    path = tmp_path / "model.pth"
    torch.save(stored, path)
    agent = import_agent(path, **HINTS.get(name, {}))
    weights = stored.get("state_dict", stored.get("model_state_dict", stored))
    return agent, {k: v.double() for k, v in weights.items()}, path


def observations(agent, lineages):
    if agent.space.obs_dtype == "uint8":
        return lineages.frames(3, 2)
    obs = torch.randn(4, 6, *agent.space.obs_shape)
    if obs.dim() == 4:
        obs[..., 0] = (torch.rand(obs.shape[:3]) < 0.5).float()
        obs[..., 0, 0] = 1
    return obs


def original(forwards, name, weights, **changes):
    function = getattr(forwards, name)
    changes = ({"heads": 4} if name == "rl_agents" else {}) | changes
    if name == "procgen_gru":
        return lambda obs, state: function(weights, obs, state, **changes)
    return lambda obs: function(weights, obs, **changes)


@pytest.mark.parametrize("name", LINEAGES)
def test_imported_agent_computes_what_its_lineage_computes(name, forwards, lineages, tmp_path):
    agent, weights, path = imported(name, tmp_path)
    obs = observations(agent, lineages)
    found = parity(agent, original(forwards, name, weights), obs)
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
def test_the_comparison_sees_a_wrong_original(name, changes, forwards, lineages, tmp_path):
    agent, weights, _ = imported(name, tmp_path)
    wrong = original(forwards, name, weights, **changes)
    assert not parity(agent, wrong, observations(agent, lineages)).check.passed


def test_every_lineage_has_a_wrong_variant():
    assert set(MUTANTS) == set(LINEAGES)


@pytest.fixture(scope="module")
def clarity(lineages):
    path = lineages.shared("coinrun_clear.jd")
    params = read_pickled(path)["params"]
    return path, {k.split("/", 1)[1]: v.astype(np.float64) for k, v in params.items()}


def test_the_real_clear_network_equals_numpy(clarity, lineages):
    path, params = clarity
    agent, obs = import_agent(path), lineages.frames(2, 4)
    found = parity(agent, lambda x: lineages.clear(params, x.numpy()), obs)
    assert max(found.gaps.values()) <= 1e-12
    assert found.check.passed
    assert max(found.rounding.values()) <= 2e-5
    origin = compare_origin(agent, path)
    assert (origin.tensors, origin.unused, origin.missing) == (18, (), ())


@pytest.mark.parametrize("key", ["pi/2b/conv2d/bias:0", "pi/dense/kernel:0"])
def test_the_comparison_sees_a_wrong_clear_network(clarity, lineages, key):
    path, params = clarity
    wrong = {**params, key: params[key][::-1].copy()}
    found = parity(
        import_agent(path), lambda x: lineages.clear(wrong, x.numpy()), lineages.frames(2, 2)
    )
    assert not found.check.passed
