"""What torch's functions do to activations: move, sum, multiply, map linearly, or bend."""

from typing import Any

SUM, PRODUCT = "sum of activations", "product of activations"
MAP, NONLINEAR = "linear map", "nonlinearity"

_MOVES = """
__getitem__ __setitem__ __get__ view view_as reshape reshape_as flatten unflatten ravel transpose
permute t adjoint squeeze unsqueeze expand expand_as repeat repeat_interleave tile broadcast_to
chunk split split_with_sizes tensor_split unbind select narrow index_select gather take
take_along_dim unfold fold cat concat concatenate stack hstack vstack dstack column_stack clone
contiguous detach detach_ to type type_as float double half bfloat16 cpu cuda long int copy_ flip
fliplr flipud roll rot90 movedim moveaxis swapaxes swapdims diagonal tril triu pad pixel_shuffle
pixel_unshuffle requires_grad_ alias positive zeros_like ones_like empty_like full_like rand_like
randn_like new_zeros new_ones new_empty new_full new_tensor atleast_1d atleast_2d atleast_3d
meshgrid channel_shuffle
"""
_SUMS = "add sub subtract radd rsub iadd isub"
_PRODUCTS = "mul multiply rmul imul div divide true_divide truediv rdiv rtruediv idiv"
_DIVISIONS = "div divide true_divide truediv idiv"
_WEIGHTED = """
linear bilinear matmul rmatmul imatmul mm bmm mv addmm addmv baddbmm dot inner outer einsum
tensordot conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
"""
_LINEAR = """
neg negative sum mean cumsum nanmean trace avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
adaptive_avg_pool2d adaptive_avg_pool3d interpolate upsample
"""
_DRAWING = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOVES, SUMS, PRODUCTS = _words(_MOVES), _words(_SUMS), _words(_PRODUCTS)
DIVISIONS, WEIGHTED, LINEAR = _words(_DIVISIONS), _words(_WEIGHTED), _words(_LINEAR)
DRAWING = _words(_DRAWING)


def kind_of(name: str, active: list[bool], given: tuple[Any, dict[str, Any]]) -> str | None:
    """What a call does to the activations among its arguments; None for what hides nothing.

    Moves, means, and arithmetic with constants hide nothing. A function that is not known here
    counts as a nonlinearity.

    Args:
        name: the function's name.
        active: for each tensor among its arguments, whether it is an activation.
        given: its arguments and its keyword arguments.

    Example:
        >>> kind_of("add", [True, True], ((), {})), kind_of("add", [True], ((), {}))
        ('sum of activations', None)
        >>> kind_of("relu", [True], ((), {}))
        'nonlinearity'
    """
    plain, several = name.strip("_"), sum(active) > 1
    if name in MOVES or plain in MOVES or plain.startswith("is_"):
        return None
    if plain in SUMS:
        return SUM if several else None
    if plain in PRODUCTS:
        if several:
            return PRODUCT
        divides = plain in DIVISIONS and len(active) > 1 and active[1]
        return NONLINEAR if divides or plain in ("rdiv", "rtruediv") else None
    if plain in WEIGHTED:
        return PRODUCT if several else MAP
    if plain in LINEAR or (plain in DRAWING and not _draws(*given)):
        return None
    return NONLINEAR


def _draws(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call of dropout's form, (input, p, training), draws anything."""
    return bool(kwargs.get("training", args[2] if len(args) > 2 else True))
