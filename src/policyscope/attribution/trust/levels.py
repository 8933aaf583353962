"""At which level values are judged: single units, blocks of a map, vehicles."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from policyscope.attribution.asking.groups import Groups, blocks, vehicles
from policyscope.attribution.asking.score import INPUT

#: Blocks along the shorter side of a map, at least.
ALONG = 3


def side_of(shape: Sequence[int], window: int) -> int:
    """Side of the blocks of a map: the window, or so much less that three lie along a side.

    Args:
        shape: (C, H, W).
        window: places along a side that are asked for.

    Example:
        >>> side_of((3, 64, 64), 8), side_of((16, 8, 8), 8)
        (8, 3)
    """
    return min(window, max(-(-min(shape[1:]) // ALONG), 1))


def level_of(shape: Sequence[int], site: str, window: int) -> tuple[str, Groups | None]:
    """The coarsest level at which methods of a site give values, and its groups.

    Methods of places or vehicles have no values of single units; at this level all methods can be
    compared.

    Args:
        shape: of the site's activation, without the batch axis.
        site: its name.
        window: places along the side of a block, see ``side_of``.

    Returns:
        Plain words, and the groups; None for single units.

    Example:
        >>> level_of((32, 32, 32), "2b.relu", 4)[0], level_of((64,), "fc", 4)
        ('blocks of 4 x 4 places', ('single units', None))
    """
    if len(shape) == 3:
        side = side_of(shape, window)
        return f"blocks of {side} x {side} places", blocks(shape, side)
    if len(shape) == 2 and site == INPUT and shape[0] > 1:
        return "vehicles", vehicles(shape)
    return "single units", None


def at_level(values: Float[Tensor, "N ..."], groups: Groups) -> Float[Tensor, "N P"]:
    """What each group accounts for, from values of units, of places of a map, or of the groups.

    Args:
        values: (N, ...) of the activation's shape; (N, H, W) of a map's places; or a number for
            each group, in order.
        groups: P groups over the activation's units.
    """
    if values.shape[1:] == groups.of.shape:
        return groups.sums(values)
    if values[0].numel() == len(groups):
        return values.flatten(1)
    return Groups(groups.names, groups.of[0]).sums(values)
