"""What methods say: tensors by name."""

from jaxtyping import Float
from torch import Tensor

#: ``attribution`` (N, ...), and (N,) each: ``target``, ``change``, ``gap``, ``missed``, ``steps``,
#: ``passes``, ``error``.
Told = dict[str, Tensor]


def relative(error: Float[Tensor, "N ..."], values: Float[Tensor, "N ..."]) -> Float[Tensor, " N"]:
    """Length of the errors of a row's values as a share of the length of the values.

    Args:
        error: (N, ...) standard errors.
        values: (N, ...) what they belong to.
    """
    return error.flatten(1).norm(dim=1) / values.flatten(1).norm(dim=1).clamp(min=1e-12)
