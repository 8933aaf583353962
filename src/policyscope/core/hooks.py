"""Capture, replace and differentiate activations.

This is the only file that registers torch hooks. Every hook is removed on every exit path.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, autograd, enable_grad, nn
from torch.utils.hooks import RemovableHandle

from policyscope.core.errors import PolicyscopeError, UnknownName

Replacement = Callable[[Tensor], Tensor]


class FiredTwice(PolicyscopeError):
    """A captured site fired a second time before its first value was taken."""

    def __init__(self, site: str):
        super().__init__(
            f"site '{site}' fired twice in one capture: make one forward pass per capture, "
            "or clear() the captured values between passes"
        )
        self.site = site


class Overwritten(PolicyscopeError):
    """A captured value was changed in place by a later module."""

    def __init__(self, site: str):
        super().__init__(
            f"site '{site}' was overwritten in place after it fired (an inplace module follows?): "
            "make that module not in-place, or capture its output instead"
        )


def _module(modules: Mapping[str, nn.Module], site: str) -> nn.Module:
    try:
        return modules[site]
    except KeyError:
        raise UnknownName("site", site, modules) from None


@contextmanager
def capture(modules: Mapping[str, nn.Module], sites: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Keep what the sites put out during one forward pass, graph included.

    Hooks run in the order in which they were set: inside ``replace`` the replaced value is kept.

    Args:
        modules: modules by site name.
        sites: names to keep.

    Yields:
        A dict, filled as sites fire. ``clear()`` it before another forward pass.

    Raises:
        UnknownName: no such site.
        FiredTwice: a site fires again while its value is still in the dict.
        Overwritten: at the end, a value in the dict is no longer what the site put out.

    Cost: under 10 microseconds a site and pass; no site, no cost (``benchmarks/hooks.py``).

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with capture(dict(net.named_children()), ["1"]) as seen:
        ...     _ = net(torch.ones(1, 2))
        >>> seen["1"].shape
        torch.Size([1, 3])
    """
    seen: dict[str, Any] = {}
    versions: dict[str, tuple[int, int]] = {}

    def keeper(site: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if site in seen:
                raise FiredTwice(site)
            seen[site] = output
            if isinstance(output, Tensor) and not output.is_inference():
                versions[site] = id(output), output._version

        return keep

    handles: list[RemovableHandle] = []
    try:
        for site in sites:
            handles.append(_module(modules, site).register_forward_hook(keeper(site)))
        yield seen
        for site, (identity, version) in versions.items():
            value = seen.get(site)
            if value is not None and id(value) == identity and value._version != version:
                raise Overwritten(site)
    finally:
        for handle in reversed(handles):
            handle.remove()


@contextmanager
def replace(
    modules: Mapping[str, nn.Module], replacements: Mapping[str, Replacement]
) -> Iterator[None]:
    """Let functions rewrite the outputs of sites while the context lasts.

    Args:
        modules: modules by site name.
        replacements: for each site a function from its output to a tensor of the same shape.

    Raises:
        UnknownName: no such site.
        PolicyscopeError: a site puts out no single tensor, or a replacement changes its shape (it
            would broadcast silently).
    """

    def rewriter(site: str, function: Replacement) -> Callable[[nn.Module, Any, Any], Tensor]:
        def rewrite(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise PolicyscopeError(
                    f"site '{site}' puts out a {type(output).__name__}, not one tensor: "
                    "it can be captured but not replaced"
                )
            new = function(output)
            if new.shape != output.shape:
                raise PolicyscopeError(
                    f"the replacement at site '{site}' has shape {tuple(new.shape)}, "
                    f"the activation {tuple(output.shape)}"
                )
            return new

        return rewrite

    handles: list[RemovableHandle] = []
    try:
        for site, function in replacements.items():
            hook = rewriter(site, function)
            handles.append(_module(modules, site).register_forward_hook(hook))
        yield
    finally:
        for handle in reversed(handles):
            handle.remove()


@contextmanager
def watch(modules: Mapping[str, nn.Module], fired: Callable[[str, Any], None]) -> Iterator[None]:
    """Call a function with name and output of every module that has put something out.

    Args:
        modules: modules by site name.
        fired: what to call.
    """

    def teller(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, _inputs, output: fired(name, output)

    handles: list[RemovableHandle] = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_hook(teller(name)))
        yield
    finally:
        for handle in reversed(handles):
            handle.remove()


@contextmanager
def given(modules: Mapping[str, nn.Module], outputs: Mapping[str, Tensor]) -> Iterator[None]:
    """Let modules put out what is given, without computing anything.

    Args:
        modules: modules by site name.
        outputs: what those that are named put out, whatever comes in.

    Raises:
        UnknownName: no such site.
    """

    def constant(value: Tensor) -> Callable[..., Tensor]:
        return lambda *_inputs, **_options: value

    # A module looks its forward up in itself before its class.
    spaces = {name: _module(modules, name).__dict__ for name in outputs}
    own = {name: space["forward"] for name, space in spaces.items() if "forward" in space}
    try:
        for name, value in outputs.items():
            spaces[name]["forward"] = constant(value)
        yield
    finally:
        for name, space in spaces.items():
            space.pop("forward", None)
            if name in own:
                space["forward"] = own[name]


def gradients(
    modules: Mapping[str, nn.Module],
    sites: Iterable[str],
    target: Callable[[], Tensor],
) -> dict[str, Tensor]:
    """Gradient of a target with respect to the activations at sites.

    Args:
        modules: modules by site name.
        sites: names of the activations to differentiate by.
        target: makes one forward pass and returns one number per observation, shape (N,).

    Returns:
        For each site the gradient of the sum of the target, of the activation's shape (N, ...):
        rows are independent, so row n is the gradient of the target of observation n.

    Raises:
        UnknownName: no such site.
        FiredTwice: a site fires more than once in the pass.
        PolicyscopeError: a site does not fire or cannot be differentiated by, or the target does
            not depend on it.

    Cost: one forward and one backward pass.
    """
    names = list(sites)
    leaves: dict[str, Tensor] = {}

    def watch(site: str) -> Replacement:
        def mark(output: Tensor) -> Tensor:
            if site in leaves:
                raise FiredTwice(site)
            if not (output.is_floating_point() or output.is_complex()):
                raise PolicyscopeError(f"site '{site}' holds {output.dtype}: no gradient by it")
            # A tensor of its own: a module may hand on its input, whose other uses do not pass here
            # and whose owner must not find it changed.
            linked = output.requires_grad
            leaves[site] = output.view_as(output) if linked else output.detach().requires_grad_()
            return leaves[site].clone()  # an in-place module may follow

        return mark

    with enable_grad(), replace(modules, {name: watch(name) for name in names}):
        total = target().sum()
    if silent := [name for name in names if name not in leaves]:
        raise PolicyscopeError(f"site '{silent[0]}' did not fire in the target's forward pass")
    values: tuple[Tensor | None, ...] = (None,) * len(names)
    if names and total.requires_grad:
        values = autograd.grad(total, [leaves[n] for n in names], allow_unused=True)
    found = {}
    for name, value in zip(names, values, strict=True):
        if value is None:
            raise PolicyscopeError(f"the target does not depend on site '{name}'")
        found[name] = value
    return found
