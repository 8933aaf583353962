"""What CleanRL computes from a ``.cleanrl_model``, in float64: DQN and PPO, also Atari and Procgen.

policyscope doctor AGENT --original original_cleanrl.py --checkpoint dqn.cleanrl_model

It shares no line with policyscope. Pixels are divided in float32, as there.
"""

import math

import torch
from torch.nn.functional import conv2d, linear, max_pool2d, pad, relu


def layer(w, name, x):
    return linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def conv(w, name, x, **places):
    return conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **places)


def chain(w, part, x, activation):
    """A ``Sequential`` of layers with an activation between each two."""
    x, i = layer(w, f"{part}.0", x), 2
    while f"{part}.{i}.weight" in w:
        x, i = layer(w, f"{part}.{i}", activation(x)), i + 2
    return x


def dqn(w, obs, activation=relu):
    """cleanrl/dqn.py."""
    return {"q": chain(w, "network", obs.double().flatten(1), activation)}


def ppo(w, obs, activation=torch.tanh):
    """cleanrl/ppo.py and cleanrl/ppo_continuous_action.py."""
    x = obs.double().flatten(1)
    value = chain(w, "critic", x, activation)[:, 0]
    if "actor_logstd" not in w:
        return {"logits": chain(w, "actor", x, activation), "value": value}
    mean = chain(w, "actor_mean", x, activation)
    return {"mean": mean, "log_std": w["actor_logstd"].expand_as(mean), "value": value}


def atari(w, obs, twist=False):
    """cleanrl/dqn_atari.py and cleanrl/ppo_atari.py; flattened channels last it is another's."""
    first = obs.shape[1] == w["network.0.weight"].shape[1]
    x = ((obs if first else obs.permute(0, 3, 1, 2)) / 255.0).double()
    for name, stride in (("network.0", 4), ("network.2", 2), ("network.4", 1)):
        x = relu(conv(w, name, x, stride=stride))
    x = x.permute(0, 2, 3, 1) if twist else x
    x = relu(layer(w, "network.7", x.flatten(1)))
    if "network.9.weight" in w:
        return {"q": layer(w, "network.9", x)}
    return {"logits": layer(w, "actor", x), "value": layer(w, "critic", x)[:, 0]}


def procgen(w, obs, padding="both", skip=True):
    """cleanrl/ppo_procgen.py; pools padded at the end alone, or no sums, are another's."""
    x = (obs.permute(0, 3, 1, 2) / 255.0).double()
    for block in ("network.0", "network.1", "network.2"):
        x = conv(w, f"{block}.conv", x, padding=1)
        ends = {"both": (1, 1, 1, 1), "end": (0, 1, 0, 1)}[padding]
        x = max_pool2d(pad(x, ends, value=-math.inf), 3, 2)
        for part in (f"{block}.res_block0", f"{block}.res_block1"):
            inner = relu(conv(w, f"{part}.conv0", relu(x), padding=1))
            inner = conv(w, f"{part}.conv1", inner, padding=1)
            x = inner + x if skip else inner
    x = relu(layer(w, "network.5", relu(x.flatten(1))))
    return {"logits": layer(w, "actor", x), "value": layer(w, "critic", x)[:, 0]}


def original_of(checkpoint, **changes):
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    w = {name: value.double() for name, value in stored.items()}
    signs = {"network.0.conv.weight": procgen, "network.7.weight": atari, "critic.0.weight": ppo}
    computed = next((found for sign, found in signs.items() if sign in w), dqn)
    return lambda obs: computed(w, obs, **changes)
