"""Sites: the named activations of a network.

A site is the output of one leaf module. Networks written here make every nonlinearity, softmax,
mask and residual sum a module, so nothing of interest hides in a functional call.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from policyscope.core.errors import UnknownName
from policyscope.core.hooks import FiredTwice, capture

Modules = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Site:
    """An activation that can be captured, replaced and attributed to.

    Args:
        name: path of the module, e.g. ``attention_layer.pattern``.
        kind: class of the module, e.g. ``ReLU``.
        shape: shape of the activation for one observation, without the batch axis.
    """

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of units."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size


def leaf_modules(root: nn.Module) -> dict[str, nn.Module]:
    """Names and modules of a network that have no children, in definition order."""
    return {
        name: module
        for name, module in root.named_modules()
        if name and next(module.children(), None) is None
    }


def list_sites(modules: Modules, run: Callable[[], Any]) -> dict[str, Site]:
    """Find every site that fires with a tensor when ``run`` makes one forward pass of batch 1.

    Args:
        modules: leaf modules by name.
        run: makes exactly one forward pass.

    Returns:
        Sites by name, in the order in which they fire. A module that fires more than once in a
        pass is none: its name would stand for several activations.

    Cost: one forward pass, and one more for each module that fires more than once.
    """
    single = dict(modules)
    while True:
        try:
            with torch.no_grad(), capture(single, single) as fired:
                run()
                sites = {
                    name: Site(name, type(modules[name]).__name__, tuple(value.shape[1:]))
                    for name, value in fired.items()
                    if isinstance(value, Tensor)
                }
                fired.clear()
            return sites
        except FiredTwice as repeated:
            del single[repeated.site]


def select(sites: Mapping[str, Site], patterns: Iterable[str]) -> list[str]:
    """Names of the sites that match any of the patterns (``*`` and ``?`` as in a shell).

    Raises:
        UnknownName: a pattern matches no site.

    Example:
        >>> select({"a.relu0": Site("a.relu0", "ReLU", (64,))}, ["a.*"])
        ['a.relu0']
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        hits = [name for name in sites if fnmatchcase(name, pattern)]
        if not hits:
            raise UnknownName("site", pattern, sites)
        chosen.update(dict.fromkeys(hits))
    return list(chosen)
