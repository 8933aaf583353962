"""What a forward pass computes where no site shows it.

A site is the output of a leaf module. A nonlinearity in a functional call, a residual sum in the
middle of ``forward`` or a module that runs twice has none. Here one forward pass is watched call by
call, and each such call is named with its place.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from policyscope.agents.agent import Agent
from policyscope.agents.doctor.operations import kind_of


@dataclass(frozen=True)
class HiddenCall:
    """A computation on activations whose result is no site.

    Args:
        module: path of the innermost module it happens in; empty for the network itself.
        call: name of torch's function, e.g. ``relu``.
        kind: nonlinearity, sum of activations, product of activations or linear map (by weights).
        place: file and line, e.g. ``my_net.py:31``.
        calls: how often it happens there in one forward pass.
    """

    module: str
    call: str
    kind: str
    place: str
    calls: int = 1


def hidden_calls(agent: Agent, obs: Tensor) -> list[HiddenCall]:
    """Name the computations of one forward pass that no site shows.

    Copies, views, means and arithmetic with constants are left out. What happens inside a leaf
    module is shown by its output and left out too; so is compiled or scripted code.

    Args:
        agent: whose network.
        obs: (N, ...) observations.

    Cost: two forward passes; the activations of one are kept until it ends.

    Example:
        >>> from policyscope.agents.store import load_agent
        >>> agent = load_agent("highway-ego-attention")
        >>> [(c.module, c.call) for c in hidden_calls(agent, torch.rand(2, 15, 7))]
        []
    """
    sites = agent.sites()
    state = agent.initial_state(len(obs))
    named = {id(module): name for name, module in agent.net.named_modules()}
    named[id(agent.preprocess)] = "preprocess"
    with torch.no_grad(), _Watch(named, set(sites)) as watch:
        watch.follow((obs, state))
        agent.forward(obs, state)
    return watch.found()


class _Watch(TorchFunctionMode):
    """Follows activations through the calls of torch.

    Args:
        named: path of each module by its identity.
        shown: paths of the modules whose outputs are sites.
    """

    def __init__(self, named: dict[int, str], shown: set[str]):
        super().__init__()
        self._named, self._shown = named, shown
        self._followed: dict[int, Tensor] = {}  # the tensors are kept, so that no identity returns
        self._calls: dict[tuple[str, str, str, str], int] = {}

    def follow(self, tree: Any) -> None:
        """Take the tensors of a tree for activations."""
        for value in _tensors(tree):
            self._followed[id(value)] = value

    def found(self) -> list[HiddenCall]:
        """Hidden calls in their order, equal ones counted."""
        return [HiddenCall(*key, calls) for key, calls in self._calls.items()]

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        active = [id(t) in self._followed for t in _tensors((args, kwargs))]
        result = func(*args, **kwargs)
        if any(active):
            name = getattr(func, "__name__", str(func))
            given_back = any(True for _ in _tensors(result))
            kind = kind_of(name, active, (args, kwargs)) if given_back else None
            if kind is not None:
                self._note(name, kind)
            self.follow((result, args[0] if name == "__setitem__" else None))
        return result

    def _note(self, name: str, kind: str) -> None:
        module, frame = self._where(sys._getframe(2))
        if module in self._shown:
            return
        place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        key = (module, name.strip("_"), kind, place)
        self._calls[key] = self._calls.get(key, 0) + 1

    def _where(self, frame: FrameType) -> tuple[str, FrameType]:
        """The innermost module that is running, and where in it."""
        first, at = frame, frame
        while True:
            name = self._named.get(id(at.f_locals.get("self")))
            if name is not None:
                return name, at
            if at.f_back is None:
                return "", first
            at = at.f_back


def _tensors(tree: Any) -> Iterator[Tensor]:
    """Tensors of nested tuples, lists and dicts."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from _tensors(part)
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from _tensors(part)
