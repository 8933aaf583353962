"""Settings of every test: one thread, fixed seeds, types and shapes checked at run time."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import functools
import inspect
import random
import signal
import types
import typing
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "policyscope"
# The worlds hold no tensors, and checking each call of their geometry would cost more than the
# tests do.
CHECKED = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py") if p.parent.name != "envs")

whole = jaxtyping.jaxtyped
#: By its code, the hints of a nested function and what the checker made of it.
known: dict[types.CodeType, tuple[dict, types.FunctionType]] = {}


def _of_arrays(hint) -> bool:
    """Whether a hint speaks of shapes; one that is text may."""
    if isinstance(hint, str) or (
        inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray)
    ):
        return True
    if isinstance(hint, list | tuple):
        return any(map(_of_arrays, hint))
    parts = (getattr(hint, "__value__", ()), *typing.get_args(hint))
    return any(map(_of_arrays, parts))


def _types_checked(fn, typechecker):
    """A function whose types are checked; the check of a nested one is compiled once."""
    hints, made = known.get(fn.__code__, (None, None))
    if made is None or hints != fn.__annotations__:
        made = typechecker(fn)
        if "<locals>" in fn.__qualname__ and "__beartype_func" in (made.__kwdefaults__ or ()):
            known[fn.__code__] = (dict(fn.__annotations__), made)
        return made
    again = types.FunctionType(made.__code__, made.__globals__, argdefs=made.__defaults__)
    again.__kwdefaults__ = {**made.__kwdefaults__, "__beartype_func": fn}
    return functools.update_wrapper(again, fn)


def _checked(fn=None, *, typechecker=None):
    """``jaxtyped`` where shapes are named; elsewhere types alone, which costs a tenth of it."""
    if fn is None:
        return functools.partial(_checked, typechecker=typechecker)
    if not inspect.isfunction(fn) or any(map(_of_arrays, fn.__annotations__.values())):
        return whole(fn, typechecker=typechecker)
    return _types_checked(fn, typechecker)


# The second is what methods and dataclasses are decorated by.
jaxtyping.jaxtyped = jaxtyping._decorator.jaxtyped = _checked
# Nothing above imports policyscope. An int is taken where a float is asked for (PEP 484).
jaxtyping.install_import_hook(
    [f"policyscope.{folder}" for folder in CHECKED],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True, violation_type=TypeError))",
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
