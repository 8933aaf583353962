"""What rl-agents' DQN with ego-attention computes from a checkpoint, in float64, head by head.

HEADS=4 policyscope doctor AGENT --original original_rl_agents.py --checkpoint latest.tar

HEADS is ``attention_layer.heads`` of the run's configuration; the checkpoint does not say it.
It shares no line with policyscope. common/models.py: ``EgoAttentionNetwork``.
"""

import math
import os

import torch
from torch.nn.functional import linear, relu


def layer(w, name, x):
    return linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def perceptron(w, part, x):
    i = 0
    while f"{part}.layers.{i}.weight" in w:
        x, i = relu(layer(w, f"{part}.layers.{i}", x)), i + 1
    return x


def network(w, obs, heads, averaged=True):
    x = obs.double()
    ego = perceptron(w, "ego_embedding", x[:, :1])
    everyone = torch.cat([ego, perceptron(w, "others_embedding", x[:, 1:])], 1)
    query = layer(w, "attention_layer.query_ego", ego)
    key = layer(w, "attention_layer.key_all", everyone)
    value = layer(w, "attention_layer.value_all", everyone)
    width, found = key.shape[-1] // heads, []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        score = query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(width)
        score = score.masked_fill(x[:, None, :, 0] < 0.5, -1e9)
        found.append(score.softmax(-1) @ value[..., part])
    mixed = layer(w, "attention_layer.attention_combine", torch.cat(found, -1)) + ego
    out = perceptron(w, "output_layer", mixed[:, 0] / 2 if averaged else mixed[:, 0])
    return {"q": layer(w, "output_layer.predict", out)}


def original_of(checkpoint, heads=None, averaged=True):
    heads = heads or int(os.environ.get("HEADS", 0))
    if heads < 1:
        raise ValueError("it does not say its attention heads: write HEADS=4 before the command")
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    w = {name: value.double() for name, value in stored.items()}
    return lambda obs: network(w, obs, heads, averaged)
