"""Settings of every test: one thread, fixed seeds, types and shapes checked at run time."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "policyscope"
# The worlds hold no tensors, and checking each call of their geometry would cost more than the
# tests do.
CHECKED = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py") if p.parent.name != "envs")

# Nothing above imports policyscope. An int is taken where a float is asked for (PEP 484).
install_import_hook(
    [f"policyscope.{folder}" for folder in CHECKED],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
torch.set_num_threads(1)
# A test run that a script put into the background ignores Ctrl-C, and so would all it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _fixed_seeds():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (third-party code draws from it)
    torch.manual_seed(0)
