"""What captum has and we have not: any of its attributions of one input, on a target of ours."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from policyscope.attribution.asking.score import Score
from policyscope.attribution.config import why_not_captum
from policyscope.attribution.methods.captum_names import BY_FUNCTION, BY_HOOKS
from policyscope.core.errors import MissingPart, PolicyscopeError, UnknownName
from policyscope.core.tails import Tail

#: Marks that captum's hooks leave on modules.
MARKS = ("input", "output", "input_ref")
#: Options that are ours to give, or that change what comes back.
OURS = {
    "self", "forward_func", "model", "inputs", "target", "additional_forward_args", "kwargs",
    "return_convergence_delta", "return_input_shape",
}  # fmt: skip


def captum_attribution(
    name: str, rest: Score, seed: int = 0, **options: Any
) -> Float[Tensor, "N ..."]:
    """An attribution of captum on a target as a function of one activation.

    ``DeepLift``, ``DeepLiftShap``, ``GuidedBackprop`` and ``Deconvolution`` change the gradient of
    the modules behind the site that captum knows; what multiplies activations, as attention does,
    or pools them in its own way, keeps its gradient: DeepLift's values then miss part of the
    target's change.

    Args:
        name: class of ``captum.attr``, e.g. ``GradientShap``.
        rest: the target as a function of the activation.
        seed: of captum's draws; the caller's random numbers are left as they are.
        options: of the class or its ``attribute``, by captum's names, e.g. ``baselines`` or
            ``n_samples``. ``NoiseTunnel`` takes ``attribution_method`` as a name.

    Returns:
        (N, ...) of the activation's shape, in the unit of captum's method.

    Raises:
        MissingPart: captum is not installed.
        UnknownName: no such attribution or option.
        PolicyscopeError: an attribution that cannot work here, or captum refuses its options.

    Cost: captum's own; all N rows go through together, times what its option
    ``internal_batch_size`` or ``perturbations_per_eval`` says.

    Reference: Kokhlikyan et al. 2020.

    Example:
        >>> captum_attribution("KernelShap", rest, n_samples=200)  # doctest: +SKIP
    """
    attr = _captum()
    method = _method(attr, name, rest, options)
    activation = rest.activation.detach().clone()
    rows = torch.arange(len(activation))
    try:
        with _seeded(seed), _quiet(), _unmarked(rest):
            found = method.attribute(activation, additional_forward_args=(rows,), **options)
    except PolicyscopeError:
        raise
    except Exception as error:  # captum refuses by assertions and errors of many kinds
        cause = " ".join(str(error).split()) or type(error).__name__
        raise PolicyscopeError(f"captum's {name} failed: {cause}") from error
    return found.detach().to(activation)


def _captum() -> Any:
    try:
        from captum import attr
    except ImportError:
        raise MissingPart("captum", "captum") from None
    return attr


def _method(attr: Any, name: str, rest: Score, options: dict[str, Any]) -> Any:
    """The attribution, made; its constructor's options are taken out of the others."""
    if why := why_not_captum(name):
        raise PolicyscopeError(why)
    if name not in BY_FUNCTION + BY_HOOKS:
        raise UnknownName("attribution of captum", name, BY_FUNCTION + BY_HOOKS)
    if name in BY_HOOKS and not isinstance(rest, Tail):
        raise PolicyscopeError(
            f"captum's {name} sets hooks inside the network, which runs once for each observation "
            "of a window: make the score of single decisions"
        )
    made = getattr(attr, name)
    takes = set(inspect.signature(made).parameters) - OURS
    valid = (takes | set(inspect.signature(made.attribute).parameters)) - OURS
    explained: Any = _Behind(rest)
    if name == "NoiseTunnel":
        inner = str(options.pop("attribution_method", "Saliency"))
        passed: dict[str, Any] = {}
        explained = _method(attr, inner, rest, passed)
        valid |= set(inspect.signature(explained.attribute).parameters) - OURS
    if unknown := [option for option in options if option not in valid]:
        raise UnknownName(f"option of captum's {name}", unknown[0], valid)
    return made(explained, **{option: options.pop(option) for option in takes & set(options)})


class _Behind(nn.Module):
    """A score as captum wants it: a module whose children are the modules behind the site."""

    def __init__(self, rest: Score):
        super().__init__()
        self.rest = rest
        self.behind = nn.ModuleList(_behind(rest))

    def forward(self, activation: Tensor, rows: Int[Tensor, " M"]) -> Float[Tensor, " M"]:
        return self.rest(activation, rows)


def _behind(rest: Score) -> list[nn.Module]:
    if not isinstance(rest, Tail):
        return []
    before = {rest.site, *rest.kept, *rest.skipped}
    return [module for name, module in rest.modules.items() if name not in before]


@contextmanager
def _unmarked(rest: Score) -> Iterator[None]:
    """Leave the modules as they are found."""
    spaces = [module.__dict__ for module in _behind(rest)]
    found = [{mark: space[mark] for mark in MARKS if mark in space} for space in spaces]
    try:
        yield
    finally:
        for space, own in zip(spaces, found, strict=True):
            for mark in MARKS:
                space.pop(mark, None)
            space.update(own)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Captum draws from the global generators of torch and of numpy."""
    state = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
    finally:
        np.random.set_state(state)


@contextmanager
def _quiet() -> Iterator[None]:
    """Captum warns of what it does to the input and of hooks, which is what it was asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"captum\.")
        yield
