"""What the lineages of convolutional agents compute, written from their sources as functions.

They read weights by the lineage's own names and share no line with the networks under test.
"""

import base64
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, linear, max_pool2d, relu

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.preprocess import Pixels
from policyscope.envs.stepper import Space

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ACTIONS = tuple("abcdefghijklmno")


def shared(name):
    """A file beside the project, where this machine has it."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"needs shared/data/{name} beside the repository")
    return path


def procgen_space(size=64, actions=15):
    return Space((size, size, 3), "uint8", actions=ACTIONS[:actions])


def image_agent(network, size=64, actions=15, **arguments):
    """An agent of ours with fresh weights, made to differ from action to action."""
    made = (network, {**arguments, "actions": actions, "shape": [3, size, size]})
    net = build_network(*made).eval()
    policy = getattr(net, "pi", None) or net.fc_policy
    torch.nn.init.normal_(policy.weight, std=0.3)
    space = procgen_space(size, actions)
    return Agent(net, made, "categorical", space, "sample", preprocess=Pixels())


def frames(*shape, size=64):
    return torch.from_numpy(
        np.random.default_rng(5).integers(0, 256, (*shape, size, size, 3), np.uint8)
    )


def impala_embedding(w, x, prefix="embedder."):
    """train-procgen-pytorch's ``ImpalaModel``: x is (N, C, H, W) in 0..1."""

    def conv(name, value):
        return conv2d(value, w[f"{prefix}{name}.weight"], w[f"{prefix}{name}.bias"], padding=1)

    for block in ("block1", "block2", "block3"):
        x = max_pool2d(conv(f"{block}.conv", x), 3, 2, 1)
        for part in ("res1", "res2"):
            x = conv(f"{block}.{part}.conv2", relu(conv(f"{block}.{part}.conv1", relu(x)))) + x
    x = relu(x).reshape(len(x), -1)
    return relu(linear(x, w[f"{prefix}fc.weight"], w[f"{prefix}fc.bias"]))


def impala_heads(w, x):
    logits = linear(x, w["fc_policy.weight"], w["fc_policy.bias"])
    return {"logits": logits, "value": linear(x, w["fc_value.weight"], w["fc_value.bias"])[:, 0]}


def impala_forward(w, obs):
    """Logits and value of uint8 (N, H, W, C)."""
    return impala_heads(w, impala_embedding(w, obs.permute(0, 3, 1, 2) / 255.0))


def recurrent_forward(w, obs, memory):
    """Logits, value and memories (T, N, M) of uint8 (T, N, H, W, C), by ``torch.nn.GRU``."""
    steps, batch = obs.shape[:2]
    x = impala_embedding(w, obs.flatten(0, 1).permute(0, 3, 1, 2) / 255.0)
    gru = torch.nn.GRU(x.shape[1], memory.shape[1])
    gru.load_state_dict({k.removeprefix("gru.gru."): v for k, v in w.items() if "gru.gru" in k})
    states, _ = gru(x.unflatten(0, (steps, batch)), memory[None])
    outputs = impala_heads(w, states.flatten(0, 1))
    return {k: v.unflatten(0, (steps, batch)) for k, v in outputs.items()}, states


def clear_forward(params, obs, from_2b=None):
    """The clear network from TensorFlow arrays in their own layout, in numpy: logits and value.

    Args:
        params: arrays by name without the model's prefix, e.g. ``pi/1a/conv2d/kernel:0``.
        obs: uint8 (N, 64, 64, 3).
        from_2b: (N, 32, 32, 32) to put in place of the activation of 2b.
    """

    def conv(x, name):
        kernel, bias = params[f"pi/{name}/conv2d/kernel:0"], params[f"pi/{name}/conv2d/bias:0"]
        k, n, h, w = len(kernel), *x.shape[:3]
        padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
        out = np.zeros((n, h, w, kernel.shape[3]), kernel.dtype) + bias
        for i in range(k):
            for j in range(k):
                out += padded[:, i : i + h, j : j + w] @ kernel[i, j]
        return np.maximum(out, 0)

    def pool(x):
        n, h, w, c = x.shape
        cells = x.reshape(n, h // 2, 2, w // 2, 2, c)
        return np.sqrt((cells**2).mean((2, 4)) + 1e-8)

    def dense(x, kernel, bias):
        return x @ params[kernel] + params[bias]

    b2 = from_2b
    if b2 is None:
        b2 = conv(conv(pool(conv((obs / np.float32(255)).astype(np.float32), "1a")), "2a"), "2b")
    x = pool(conv(pool(conv(pool(b2), "3a")), "4a"))
    x = x.reshape(len(x), -1)
    x = np.maximum(dense(x, "pi/dense/kernel:0", "pi/dense/bias:0"), 0)
    x = np.maximum(dense(x, "pi/dense_1/kernel:0", "pi/dense_1/bias:0"), 0)
    logits, value = dense(x, "pi/w:0", "pi/b:0"), dense(x, "vf/w:0", "vf/b:0")
    return {"logits": logits, "value": value[:, 0]}


class Lineages:
    """The functions of this file, for tests."""

    shared = staticmethod(shared)
    space = staticmethod(procgen_space)
    agent = staticmethod(image_agent)
    frames = staticmethod(frames)
    impala = staticmethod(impala_forward)
    recurrent = staticmethod(recurrent_forward)
    clear = staticmethod(clear_forward)


@pytest.fixture(scope="session")
def lineages():
    return Lineages


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def box(shape, low="-1.0", high="1.0", dtype="float32"):
    rows = " ".join([low] * int(np.prod(shape))), " ".join([high] * int(np.prod(shape)))
    return {"dtype": dtype, "_shape": list(shape), "low": f"[{rows[0]}]", "high": f"[{rows[1]}]"}


def discrete(n):
    return {"dtype": "int64", "n": str(n), "start": "0", "_shape": []}


def sb3_settings(canary, seen, done, **more):
    """As the library writes them: pickles in base64, and beside each its parts as text."""
    trap = base64.b64encode(pickle.dumps(Evil(canary))).decode()

    def pickled(kind, values):
        return {":type:": f"<class '{kind}'>", ":serialized:": trap, **values}

    spaces = "gymnasium.spaces.box.Box", "gymnasium.spaces.discrete.Discrete"
    return {
        "policy_class": pickled("abc.ABCMeta", {"__module__": "common.policies"}),
        "observation_space": pickled(spaces["n" in seen], seen),
        "action_space": pickled(spaces["n" in done], done),
        "policy_kwargs": {}, "use_sde": False, "gamma": 0.9, "num_timesteps": 64,
        "lr_schedule": pickled("function", {}), **more,
    }  # fmt: skip


def dense(weights, name, out, inside):
    weights[f"{name}.weight"] = torch.randn(out, inside) * inside**-0.5
    weights[f"{name}.bias"] = torch.randn(out) / 3


def actor_critic(features=4, policy=(9, 7), value=(5,), actions=2, gaussian=False):
    weights = {"log_std": torch.randn(actions)} if gaussian else {}
    for part, widths, head, out in (
        ("policy", policy, "action_net", actions), ("value", value, "value_net", 1),
    ):  # fmt: skip
        sizes = [features, *widths]
        for i, width in enumerate(widths):
            dense(weights, f"mlp_extractor.{part}_net.{2 * i}", width, sizes[i])
        dense(weights, head, out, sizes[-1])
    return weights


def q_net(features=4, widths=(6, 8), actions=3):
    weights = {}
    for start in ("q_net", "q_net_target"):
        sizes = [features, *widths, actions]
        for i, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False)):
            dense(weights, f"{start}.q_net.{2 * i}", after, before)
    return weights


def sb3_forward(weights, x, parts, activation=torch.tanh):
    """The library's formulas: a chain of layers, an activation between."""
    for i, name in enumerate(parts):
        x = linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
        x = x if i == len(parts) - 1 else activation(x)
    return x


def sb3_written(tmp_path, values, weights, name="model.zip", **files):
    path, stored = tmp_path / name, io.BytesIO()
    torch.save(weights, stored)
    parts = {
        "data": json.dumps(values, indent=4),
        "pytorch_variables.pth": b"",
        "policy.pth": stored.getvalue(),
        "_stable_baselines3_version": "2.9.2",
        **files,
    }
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            if content is not None:
                archive.writestr(part, content)
    return path


class Sb3Models:
    """Models of Stable-Baselines3, written as the library writes them, and its formulas."""

    Evil = Evil
    POLICY = ("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net")
    VALUE = ("mlp_extractor.value_net.0", "value_net")
    Q = ("q_net.q_net.0", "q_net.q_net.2", "q_net.q_net.4")
    SEEN, DONE = box((4,)), discrete(2)
    IMAGE = box((3, 64, 64), "0", "255", "uint8")
    LSTM = {"lstm_actor.weight_hh_l0": torch.ones(2, 2)}
    CNN = {"features_extractor.cnn.0.weight": torch.ones(32, 3, 8, 8)}
    box, discrete = staticmethod(box), staticmethod(discrete)
    settings, written = staticmethod(sb3_settings), staticmethod(sb3_written)
    actor_critic, q_net = staticmethod(actor_critic), staticmethod(q_net)
    dense, forward = staticmethod(dense), staticmethod(sb3_forward)


@pytest.fixture(scope="session")
def sb3():
    return Sb3Models


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists()
