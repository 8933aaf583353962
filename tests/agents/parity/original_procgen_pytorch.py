"""What train-procgen-pytorch computes from a checkpoint, in float64: IMPALA, with or without GRU.

policyscope doctor AGENT --original original_procgen_pytorch.py --checkpoint model_1000.pth

It shares no line with policyscope. Pixels are divided in float32, as there.
"""

import math

import torch
from torch.nn.functional import conv2d, linear, max_pool2d, pad, relu


def layer(w, name, x):
    return linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def conv(w, name, x):
    return conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)


def embedding(w, obs, padding="both"):
    """``ImpalaModel`` of common/model.py; padding of the pools at the end alone is another's."""
    x = (obs.permute(0, 3, 1, 2) / 255.0).double()
    for block in ("embedder.block1", "embedder.block2", "embedder.block3"):
        x = conv(w, f"{block}.conv", x)
        ends = {"both": (1, 1, 1, 1), "end": (0, 1, 0, 1)}[padding]
        x = max_pool2d(pad(x, ends, value=-math.inf), 3, 2)
        for part in (f"{block}.res1", f"{block}.res2"):
            x = conv(w, f"{part}.conv2", relu(conv(w, f"{part}.conv1", relu(x)))) + x
    return relu(layer(w, "embedder.fc", relu(x).flatten(1)))


def heads(w, x):
    return {"logits": layer(w, "fc_policy", x), "value": layer(w, "fc_value", x)[:, 0]}


def gru(w, x, memory, order=(0, 1, 2)):
    """``torch.nn.GRU``'s formulas; ``order`` of reset, update, new."""
    seen = linear(x, w["gru.gru.weight_ih_l0"], w["gru.gru.bias_ih_l0"]).chunk(3, 1)
    known = linear(memory, w["gru.gru.weight_hh_l0"], w["gru.gru.bias_hh_l0"]).chunk(3, 1)
    r, z, n = order
    reset, update = torch.sigmoid(seen[r] + known[r]), torch.sigmoid(seen[z] + known[z])
    new = torch.tanh(seen[n] + reset * known[n])
    return (1 - update) * new + update * memory


def original_of(checkpoint, padding="both", order=(0, 1, 2)):
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    stored = stored["state_dict"] if "state_dict" in stored else stored["model_state_dict"]
    w = {name.removeprefix("module."): value.double() for name, value in stored.items()}

    def feed_forward(obs):
        return heads(w, embedding(w, obs, padding))

    def recurrent(obs, state):
        if state is None:
            state = torch.zeros(len(obs), w["gru.gru.weight_hh_l0"].shape[1]).double()
        state = gru(w, embedding(w, obs, padding), state, order)
        return heads(w, state), state

    return recurrent if "gru.gru.weight_hh_l0" in w else feed_forward
