"""Tails: run again only what depends on an activation, with all else as it was.

A pass from an activation on costs what lies behind it; what lies before it is computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.flow import Flow
from policyscope.core.hooks import FiredTwice, capture, given, watch

Modules = Mapping[str, nn.Module]
#: Makes one forward pass over the rows of a batch that are named, (M,), each as often as it is.
Run = Callable[[Int[Tensor, " M"]], Float[Tensor, " M"]]


class Independent(PolicyscopeError):
    """What a pass gives does not depend on the site."""

    def __init__(self, site: str):
        super().__init__(f"the target does not depend on site '{site}'")


@dataclass(frozen=True, eq=False)
class Tail:
    """A function of an activation: the rest of a network, with what does not depend on it kept.

    Args:
        modules: leaf modules by site name.
        site: the activation.
        activation: (N, ...) what the site put out.
        kept: outputs of modules that the rest reads but that do not change, (N, ...) by name.
        skipped: shapes of the outputs, without the batch axis, that nothing of the rest reads.
        run: makes a forward pass over rows.
    """

    modules: Modules
    site: str
    activation: Tensor
    kept: Mapping[str, Tensor]
    skipped: Mapping[str, Tensor]
    run: Run

    def __call__(
        self, activation: Float[Tensor, "M ..."], rows: Int[Tensor, " M"]
    ) -> Float[Tensor, " M"]:
        """What the pass gives where the site puts out something else.

        Args:
            activation: (M, ...) to put in the site's place; gradients flow through.
            rows: (M,) which of the N rows each stands in for.
        """
        outputs: dict[str, Tensor] = {
            name: value.new_empty(len(rows), *value.shape) for name, value in self.skipped.items()
        }
        outputs |= {
            name: value.index_select(0, rows.to(value.device)) for name, value in self.kept.items()
        }
        outputs[self.site] = activation
        with given(self.modules, outputs):
            return self.run(rows)


def tail(
    modules: Modules, site: str, run: Run, rows: int, hold: Sequence[str] | None = None
) -> Tail:
    """Prepare to run a network from a site on.

    Args:
        modules: leaf modules by site name.
        site: the activation that will be replaced.
        run: makes one forward pass over rows of the batch, each row by itself.
        rows: N, the rows of the batch.
        hold: modules behind the site that keep what they put out on the batch as it is; default
            are those that put out booleans, such as masks: a path of inputs does not cross them.

    Raises:
        UnknownName: no such site, or no such module to hold.
        Independent: what ``run`` gives does not depend on the site.
        PolicyscopeError: the site does not fire once with floating-point numbers.

    Cost: one forward pass over the batch, one from the site on, and one over a row in which every
    operation is watched.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> x = torch.ones(4, 2)
        >>> rest = tail(dict(net.named_children()), "1", lambda rows: net(x[rows])[:, 0], 4)
        >>> every = torch.arange(4)
        >>> bool((rest(rest.activation, every) == net(x)[:, 0]).all())
        True
    """
    for name in (site, *(hold or ())):
        if name not in modules:
            raise UnknownName("site", name, modules)
    read, skipped = _read_from(modules, site, run, hold)
    every = torch.arange(rows)
    with torch.no_grad(), capture(modules, [site, *read]) as seen:
        expected = run(every)
    kept = {name: value for name, value in seen.items() if name != site}
    rest = Tail(modules, site, seen[site], kept, skipped, run)
    _prove(rest, every, expected)
    return rest


def _prove(rest: Tail, rows: Tensor, expected: Tensor) -> None:
    """That nothing of what is skipped is read, and that a pass gives twice the same."""
    unread = {
        name: value.new_full((), nan if value.is_floating_point() else 0).expand(
            len(rows), *value.shape
        )
        for name, value in rest.skipped.items()
    }
    with torch.no_grad():
        found = replace(rest, kept={**rest.kept, **unread}, skipped={})(rest.activation, rows)
    if not torch.allclose(found, expected, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise PolicyscopeError(
            f"the network from '{rest.site}' on does not repeat its pass: is it in training mode, "
            "or does it draw random numbers?"
        )


def _read_from(
    modules: Modules, site: str, run: Run, hold: Sequence[str] | None
) -> tuple[list[str], dict[str, Tensor]]:
    """Modules that what depends on the site reads, and an output of those it does not."""
    single = dict(modules)
    while True:
        flow = Flow(site, hold)
        with torch.no_grad(), watch(single, flow.fired), flow:
            result = run(torch.zeros(1, dtype=torch.long))
        if site in flow.repeated:
            raise FiredTwice(site)
        if not flow.repeated:
            break
        single = {name: module for name, module in single.items() if name not in flow.repeated}
    if site not in flow.outputs:
        raise PolicyscopeError(f"site '{site}' did not fire in the pass")
    if not flow.outputs[site].is_floating_point():
        raise PolicyscopeError(f"site '{site}' holds {flow.outputs[site].dtype}: nothing to vary")
    reached = flow.sources(result)
    if site not in reached:
        raise Independent(site)
    constant = {name: flow.outputs[name] for name in flow.constant}
    read = [name for name in constant if name in reached]
    return read, {name: value[0] for name, value in constant.items() if name not in reached}
