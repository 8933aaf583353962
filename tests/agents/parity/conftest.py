"""What each lineage computes, as one small function from its own weights, in float64.

They share no line with the networks under test. Pixels are divided in float32, as the lineages do.
"""

import math

import pytest
import torch
from torch.nn.functional import conv2d, linear, max_pool2d, pad, relu


def layer(w, name, x):
    return linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def pixels(obs):
    return (obs.permute(0, 3, 1, 2) / 255.0).double()


def pooled(x, padding):
    """Max pool of 3 with stride 2, padded at both ends, or at the end alone (TensorFlow)."""
    if padding == "both":
        return max_pool2d(x, 3, 2, 1)
    return max_pool2d(pad(x, (0, 1, 0, 1), value=-math.inf), 3, 2)


def residual(w, x, names, skip=True):
    """ReLU, convolution, ReLU, convolution, sum."""
    out = x
    for name in names:
        out = conv2d(relu(out), w[f"{name}.weight"], w[f"{name}.bias"], padding=1)
    return out + x if skip else out


def procgen_embedding(w, obs, padding="both"):
    """train-procgen-pytorch, common/model.py: ``ImpalaModel``."""
    x = pixels(obs)
    for i in (1, 2, 3):
        block = f"embedder.block{i}"
        x = conv2d(x, w[f"{block}.conv.weight"], w[f"{block}.conv.bias"], padding=1)
        x = pooled(x, padding)
        for part in ("res1", "res2"):
            x = residual(w, x, [f"{block}.{part}.conv1", f"{block}.{part}.conv2"])
    return relu(layer(w, "embedder.fc", relu(x).flatten(1)))


def procgen_heads(w, x):
    return {"logits": layer(w, "fc_policy", x), "value": layer(w, "fc_value", x)[:, 0]}


def procgen(w, obs, padding="both"):
    """train-procgen-pytorch, ``CategoricalPolicy``."""
    return procgen_heads(w, procgen_embedding(w, obs, padding))


def procgen_gru(w, obs, state, order=(0, 1, 2)):
    """The same, recurrent: ``torch.nn.GRU``'s formulas; ``order`` of reset, update, new."""
    x = procgen_embedding(w, obs)
    hidden = torch.zeros(len(x), w["gru.gru.weight_hh_l0"].shape[1]).double()
    hidden = hidden if state is None else state
    seen = linear(x, w["gru.gru.weight_ih_l0"], w["gru.gru.bias_ih_l0"]).chunk(3, 1)
    known = linear(hidden, w["gru.gru.weight_hh_l0"], w["gru.gru.bias_hh_l0"]).chunk(3, 1)
    r, z, n = order
    reset, update = torch.sigmoid(seen[r] + known[r]), torch.sigmoid(seen[z] + known[z])
    new = torch.tanh(seen[n] + reset * known[n])
    hidden = (1 - update) * new + update * hidden
    return procgen_heads(w, hidden), hidden


def cleanrl_dqn(w, obs, layers=(0, 2, 4)):
    """cleanrl/dqn.py."""
    x = obs.double()
    for i in layers:
        x = layer(w, f"network.{i}", x)
        x = relu(x) if i < 4 else x
    return {"q": x}


def cleanrl_ppo(w, obs, activation=torch.tanh):
    """cleanrl/ppo.py."""

    def chain(part):
        x = activation(layer(w, f"{part}.0", obs.double()))
        return layer(w, f"{part}.4", activation(layer(w, f"{part}.2", x)))

    return {"logits": chain("actor"), "value": chain("critic")[:, 0]}


def cleanrl_procgen(w, obs, padding="both", skip=True):
    """cleanrl/ppo_procgen.py."""
    x = pixels(obs)
    for i in (0, 1, 2):
        block = f"network.{i}"
        x = conv2d(x, w[f"{block}.conv.weight"], w[f"{block}.conv.bias"], padding=1)
        x = pooled(x, padding)
        for part in ("res_block0", "res_block1"):
            x = residual(w, x, [f"{block}.{part}.conv0", f"{block}.{part}.conv1"], skip)
    x = relu(layer(w, "network.5", relu(x.flatten(1))))
    return {"logits": layer(w, "actor", x), "value": layer(w, "critic", x)[:, 0]}


def rl_agents(w, obs, heads, averaged=True):
    """rl-agents, common/models.py: ``EgoAttentionNetwork``, head by head."""

    def perceptron(part, x):
        i = 0
        while f"{part}.layers.{i}.weight" in w:
            x, i = relu(layer(w, f"{part}.layers.{i}", x)), i + 1
        return x

    x = obs.double()
    ego = perceptron("ego_embedding", x[:, :1])
    everyone = torch.cat([ego, perceptron("others_embedding", x[:, 1:])], 1)
    query, key, value = (
        layer(w, f"attention_layer.{name}", rows)
        for name, rows in (("query_ego", ego), ("key_all", everyone), ("value_all", everyone))
    )
    width, found = key.shape[-1] // heads, []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        score = query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(width)
        score = score.masked_fill(x[:, None, :, 0] < 0.5, -1e9)
        found.append(score.softmax(-1) @ value[..., part])
    mixed = layer(w, "attention_layer.attention_combine", torch.cat(found, -1)) + ego
    out = perceptron("output_layer", mixed[:, 0] / 2 if averaged else mixed[:, 0])
    return {"q": layer(w, "output_layer.predict", out)}


class Forwards:
    """The functions of this file, for tests."""

    procgen, procgen_gru = staticmethod(procgen), staticmethod(procgen_gru)
    cleanrl_dqn, cleanrl_ppo = staticmethod(cleanrl_dqn), staticmethod(cleanrl_ppo)
    cleanrl_procgen, rl_agents = staticmethod(cleanrl_procgen), staticmethod(rl_agents)


@pytest.fixture(scope="session")
def forwards():
    return Forwards
