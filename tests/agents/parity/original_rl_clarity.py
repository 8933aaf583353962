"""What "Understanding RL Vision" computes from a ``.jd``, in float64: its clear CNN and IMPALA.

policyscope doctor AGENT --original original_rl_clarity.py --checkpoint coinrun.jd

Of policyscope it takes the reader that runs no code in a pickle, and nothing else. Arrays stay as
TensorFlow has them, channels last. Pixels are divided in float32, as there.
"""

import math
import re

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, pad, relu

from policyscope.core.pickled_data import read_pickled


def conv(p, name, x):
    kernel = p[f"{name}/kernel:0"].permute(3, 2, 0, 1)
    x = conv2d(x.permute(0, 3, 1, 2), kernel, p[f"{name}/bias:0"], padding=kernel.shape[-1] // 2)
    return x.permute(0, 2, 3, 1)


def dense(p, name, x):
    return x @ p[f"{name}/kernel:0"] + p[f"{name}/bias:0"]


def clear(p, x, pool="square"):
    """The clear network; pools that take the mean itself are another's."""

    def pooled(x):
        x = x.permute(0, 3, 1, 2)
        x = avg_pool2d(x, 2) if pool == "mean" else (avg_pool2d(x**2, 2) + 1e-8).sqrt()
        return x.permute(0, 2, 3, 1)

    for names in (("1a",), ("2a", "2b"), ("3a",), ("4a",)):
        for name in names:
            x = relu(conv(p, f"pi/{name}/conv2d", x))
        x = pooled(x)
    return relu(dense(p, "pi/dense_1", relu(dense(p, "pi/dense", x.flatten(1)))))


def impala(p, x, padding="end"):
    """Baselines' ``build_impala_cnn``; pools padded at both ends are torch's, not TensorFlow's."""
    count = sum(name.endswith("/kernel:0") for name in p) - 1
    layers = (f"pi/layer_{i}" for i in range(count + 1))
    for _ in range(count // 5):
        ends = {"end": (0, 1, 0, 1), "both": (1, 1, 1, 1)}[padding]
        x = pad(conv(p, next(layers), x).permute(0, 3, 1, 2), ends, value=-math.inf)
        x = max_pool2d(x, 3, 2).permute(0, 2, 3, 1)
        for _ in range(2):
            inner = relu(conv(p, next(layers), relu(x)))
            x = conv(p, next(layers), inner) + x
    return relu(dense(p, next(layers), relu(x.flatten(1))))


def arrays(checkpoint):
    p = {}
    for name, value in read_pickled(checkpoint)["params"].items():
        if known := re.search(r"(pi|vf)/.*", name):
            p[known[0]] = torch.from_numpy(np.array(value, np.float64))
    return p


def original_of(checkpoint, **changes):
    p = arrays(checkpoint)
    body = clear if "pi/dense/kernel:0" in p else impala

    def original(obs):
        x = body(p, (obs / 255.0).double(), **changes)
        logits, value = (x @ p[f"{head}/w:0"] + p[f"{head}/b:0"] for head in ("pi", "vf"))
        return {"logits": logits, "value": value[:, 0]}

    return original
