"""IMPALA agents of rl_clarity, written here and read against a forward in TensorFlow's layout."""

import pickle

import numpy as np
import pytest
import torch

from policyscope.agents.contract import CHECKS, gap
from policyscope.agents.importers.recognise import import_agent, recognise
from policyscope.agents.networks.impala import SameMaxPool
from policyscope.agents.store import load_agent, save_agent
from policyscope.core.errors import BadFile, UnknownName

WIDTHS, EMBEDDING = (4, 6, 5), 12


def impala_params(widths=WIDTHS, actions=15):
    """Arrays under the names of Baselines' ``build_impala_cnn``: kernels (h, w, in, out)."""
    rng, params, before, layer = np.random.default_rng(3), {}, 3, 0
    for width in widths:
        for inside in (before, width, width, width, width):
            scale = (9 * inside) ** -0.5
            params[f"layer_{layer}/kernel"] = rng.normal(size=(3, 3, inside, width)) * scale
            params[f"layer_{layer}/bias"] = rng.normal(size=width) / 5
            layer += 1
        before = width
    inside = before * (64 // 2 ** len(widths)) ** 2
    params[f"layer_{layer}/kernel"] = rng.normal(size=(inside, EMBEDDING)) * inside**-0.5
    params[f"layer_{layer}/bias"] = rng.normal(size=EMBEDDING) / 5
    params |= {"w": rng.normal(size=(EMBEDDING, actions)), "b": rng.normal(size=actions)}
    named = {f"ppo2_model/pi/{k}:0": v.astype(np.float32) for k, v in params.items()}
    named["ppo2_model/vf/w:0"] = rng.normal(size=(EMBEDDING, 1)).astype(np.float32)
    return named | {"ppo2_model/vf/b:0": np.float32([0.3])}


def written(tmp_path, params, **args):
    path = tmp_path / "impala.jd"
    args = {"cnn": "impala", "env_kind": "procgen", "env_name": "coinrun", "use_lstm": 0} | args
    path.write_bytes(pickle.dumps({"args": args, "params": params, "extra": {}}, 3))
    return path


def same(extent, kernel, stride):
    """TensorFlow's SAME: as little padding as reaches all, the odd one at the end."""
    total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
    return total // 2, total - total // 2


def torchs(extent, kernel, stride):
    """What ``nn.MaxPool2d(3, 2, padding=1)`` pads."""
    return (kernel // 2,) * 2


def windows(x, kernel, stride, padding, fill):
    """Windows over height and width of (N, H, W, C): (N, h, w, C, kernel, kernel)."""
    edges = [padding(extent, kernel, stride) for extent in x.shape[1:3]]
    x = np.pad(x, ((0, 0), *edges, (0, 0)), constant_values=fill)
    x = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))
    return x[:, ::stride, ::stride]


def forward(params, obs, padding=same):
    """Baselines' network in numpy, float64: logits and value of uint8 (N, 64, 64, 3)."""
    params = {k.removeprefix("ppo2_model/"): v.astype(np.float64) for k, v in params.items()}
    x, layer, blocks = obs / 255.0, 0, sum("layer" in k for k in params) // 10

    def conv(x):
        nonlocal layer
        kernel, bias = params[f"pi/layer_{layer}/kernel:0"], params[f"pi/layer_{layer}/bias:0"]
        layer += 1
        return np.einsum("nhwcij,ijco->nhwo", windows(x, 3, 1, same, 0), kernel) + bias

    for _ in range(blocks):
        x = windows(conv(x), 3, 2, padding, -np.inf).max((-2, -1))
        for _ in range(2):
            x = conv(np.maximum(conv(np.maximum(x, 0)), 0)) + x
    x = np.maximum(x.reshape(len(x), -1), 0)
    x = x @ params[f"pi/layer_{layer}/kernel:0"] + params[f"pi/layer_{layer}/bias:0"]
    x = np.maximum(x, 0)
    outputs = {p: x @ params[f"{p}/w:0"] + params[f"{p}/b:0"] for p in ("pi", "vf")}
    return {
        "logits": torch.from_numpy(outputs["pi"]), "value": torch.from_numpy(outputs["vf"][:, 0])
    }  # fmt: skip


@pytest.mark.parametrize("widths", [WIDTHS, (3, 4), (3, 4, 3, 4, 3)])
def test_it_computes_what_baselines_computes_and_comes_back(tmp_path, lineages, widths):
    params = impala_params(widths)
    path = written(tmp_path, params)
    assert recognise(path) == "rl_clarity"
    agent, obs = import_agent(path), lineages.frames(3)
    save_agent(agent, tmp_path / "agent")
    theirs = forward(params, obs.numpy())
    for who in (agent, load_agent(tmp_path / "agent")):
        with torch.no_grad():
            assert gap(dict(who.act(obs).outputs), theirs) <= 1e-5
    assert theirs["value"].std() > 1e-2
    assert agent.network[1]["widths"] == list(widths)
    assert (agent.card["lineage"], agent.card["unused"], agent.card["missing"]) == (
        "rl_clarity, IMPALA CNN, Baselines PPO2", [], [],
    )  # fmt: skip
    assert agent.sites()["embedder.block1.maxpool"].shape == (widths[0], 32, 32)


def test_the_comparison_sees_torchs_padding(tmp_path, lineages):
    params, obs = impala_params(), lineages.frames(3)
    agent = import_agent(written(tmp_path, params))
    other = forward(params, obs.numpy(), torchs)
    agent.net.embedder.block1.maxpool = torch.nn.MaxPool2d(3, 2, padding=1)
    agent.net.embedder.block2.maxpool = torch.nn.MaxPool2d(3, 2, padding=1)
    agent.net.embedder.block3.maxpool = torch.nn.MaxPool2d(3, 2, padding=1)
    with torch.no_grad():
        mutant = dict(agent.act(obs).outputs)
    assert gap(mutant, forward(params, obs.numpy())) > 1e-2
    assert gap(mutant, other) <= 1e-5


@pytest.mark.parametrize("extent", [2, 3, 7, 8])
def test_the_pool_pads_even_and_odd_extents_as_tensorflow_does(extent):
    x = torch.randn(2, 3, extent, extent + 1)
    theirs = windows(x.permute(0, 2, 3, 1).numpy(), 3, 2, same, -np.inf).max((-2, -1))
    assert torch.equal(SameMaxPool()(x), torch.from_numpy(theirs).permute(0, 3, 1, 2))


@pytest.mark.parametrize("check", CHECKS)
def test_it_holds_the_contract(tmp_path, lineages, check):
    agent = import_agent(written(tmp_path, impala_params((2, 3, 2))))
    CHECKS[check](agent, lineages.frames(3, 2))


def test_parameters_keep_the_names_of_the_other_padding(tmp_path):
    net = import_agent(written(tmp_path, impala_params())).net
    for name in ("embedder.block2.res1.conv2.weight", "embedder.fc.bias", "fc_policy.weight"):
        assert name in net.state_dict()


def without(*keys):
    return {k: v for k, v in impala_params().items() if not k.endswith(keys)}


def other(key, shape):
    return {
        k: np.ones(shape, np.float32) if k.endswith(key) else v for k, v in impala_params().items()
    }


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (without("layer_15/kernel:0", "layer_15/bias:0"), "14 convolutions before its dense layer"),
        (without("layer_7/kernel:0"), "no weight of layer_7"),
        (without("layer_7/bias:0"), "no bias of layer_7"),
        (without("vf/w:0"), "no weight of vf"),
        (other("layer_3/kernel:0", (5, 5, 4, 4)), "block1.res2.conv1.weight has shape"),
        (other("layer_15/kernel:0", (99, 12)), "embedder.fc.weight has shape"),
        (impala_params() | {"ppo2_model/pi/layer_0/gamma:0": np.ones(4)}, "unknown weights"),
        ({}, "0 convolutions"),
    ],
)
def test_other_params_are_one_clear_line(tmp_path, params, said):
    with pytest.raises(BadFile, match=said) as caught:
        import_agent(written(tmp_path, params))
    assert "\n" not in str(caught.value)


def test_an_unknown_padding_is_refused_by_name(lineages):
    with pytest.raises(UnknownName, match="both, same"):
        lineages.agent("impala", pool_padding="valid")
