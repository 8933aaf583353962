"""Which activations a result was made from: every operation of a pass is watched."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

_NONE: frozenset[str] = frozenset()


class Flow(TorchFunctionMode):
    """Follows what a site puts out through every operation of a pass, comparisons included.

    The output of a module that does not depend on the site counts as a source of its own: what it
    was made from does not matter to what reads it. Call ``fired`` when a module has put something
    out.

    Args:
        site: name of the module to follow.
        hold: modules that count as not depending on the site; default are those that put out
            booleans.
    """

    def __init__(self, site: str, hold: Sequence[str] | None = None):
        super().__init__()
        self.site, self.hold = site, hold
        self.outputs: dict[str, Tensor] = {}
        self.constant: list[str] = []
        self.repeated: set[str] = set()
        self._made_from: dict[int, frozenset[str]] = {}
        self._alive: list[Tensor] = []  # an id is one tensor's only as long as the tensor lives

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if made_from := self.sources((args, kwargs)):
            changed = args[0] if func is Tensor.__setitem__ else out
            for leaf in tree_leaves(changed):
                if isinstance(leaf, Tensor):
                    self._set(leaf, made_from | self.sources(leaf))
                    if leaf is args[0] and leaf._base is not None:  # written through a view
                        self._set(leaf._base, made_from | self.sources(leaf._base))
        return out

    def sources(self, values: Any) -> frozenset[str]:
        """Modules that any of the tensors was made from."""
        return _NONE.union(*(self._made_from.get(id(v), _NONE) for v in tree_leaves(values)))

    def fired(self, name: str, output: Any) -> None:
        """A module has put something out."""
        if name in self.outputs:
            self.repeated.add(name)
        elif isinstance(output, Tensor):
            self.outputs[name] = output
            constant = self.site not in self.sources(output) or self._held(name, output)
            if name == self.site or constant:
                self._set(output, frozenset([name]))
            if name != self.site and constant:
                self.constant.append(name)

    def _held(self, name: str, output: Tensor) -> bool:
        return output.dtype == torch.bool if self.hold is None else name in self.hold

    def _set(self, leaf: Tensor, made_from: frozenset[str]) -> None:
        self._made_from[id(leaf)] = made_from
        self._alive.append(leaf)
