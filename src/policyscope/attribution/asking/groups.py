"""Groups of units that mean something together: the players of attribution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from policyscope.core.errors import PolicyscopeError


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each unit of an activation belongs to.

    Args:
        names: of the P groups, each once.
        of: (...) number of each unit's group; -1 for units of no group, which stay as they are.

    Raises:
        PolicyscopeError: a number without a name, a name without units, or a name given twice.

    Example:
        >>> Groups(("left", "right"), torch.tensor([0, 0, 1, -1])).sizes().tolist()
        [2, 1]
    """

    names: tuple[str, ...]
    of: Int[Tensor, "..."]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise PolicyscopeError("two groups have the same name: give each a name of its own")
        if self.of.numel() and not -1 <= int(self.of.min()) <= int(self.of.max()) < len(self):
            raise PolicyscopeError(
                f"groups are numbered 0 to {len(self) - 1}, and -1 for none; "
                f"found {int(self.of.min())} to {int(self.of.max())}"
            )
        if empty := [n for n, size in zip(self.names, self.sizes(), strict=True) if not size]:
            raise PolicyscopeError(f"group '{empty[0]}' has no unit: leave it out")

    def __len__(self) -> int:
        return len(self.names)

    def sizes(self) -> Int[Tensor, " P"]:
        """How many units each group has."""
        return self.of[self.of >= 0].bincount(minlength=len(self))

    def fits(self, activation: Float[Tensor, "N ..."]) -> None:
        """Refuse an activation of another shape.

        Raises:
            PolicyscopeError: the shapes differ.
        """
        if tuple(activation.shape[1:]) != tuple(self.of.shape):
            raise PolicyscopeError(
                f"the groups are of shape {tuple(self.of.shape)}, the activation is of shape "
                f"{tuple(activation.shape[1:])}"
            )

    def mix(
        self,
        inside: Float[Tensor, "M ..."],
        outside: Float[Tensor, "M ..."],
        held: Bool[Tensor, "M P"],
    ) -> Float[Tensor, "M ..."]:
        """One activation where a row holds a unit's group or the unit has none, else another.

        Args:
            inside: (M, ...) values of units that are held.
            outside: (M, ...) values of the others.
            held: (M, P) groups that each row holds.
        """
        of_none = held.new_ones(len(held), 1)  # the last column is number -1
        taken = torch.cat([held, of_none], 1)[:, self.of.flatten()]
        return torch.where(taken.view(inside.shape), inside, outside)

    def sums(self, values: Num[Tensor, "N ..."]) -> Num[Tensor, "N P"]:
        """Sum of what the units of each group have; those of no group are left out.

        Args:
            values: (N, ...) a number for each unit.
        """
        found = values.new_zeros(len(values), len(self) + 1)
        found.index_add_(1, self.of.flatten() % (len(self) + 1), values.flatten(1))
        return found[:, :-1]

    def differing(
        self, one: Float[Tensor, "N ..."], other: Float[Tensor, "N ..."]
    ) -> Bool[Tensor, "N P"]:
        """Groups of which any unit differs between two activations."""
        return self.sums((one != other).long()) > 0


def vehicles(shape: Sequence[int], names: Sequence[str] = (), ego: bool = False) -> Groups:
    """One group for each row of a table of vehicles.

    Args:
        shape: (V, F) rows, the ego first, and their features.
        names: of the V rows, as ``agent.space.rows`` has them.
        ego: whether the ego is a group too; else it stays as it is.

    Raises:
        PolicyscopeError: the shape has not two axes, or there are not V names.

    Example:
        >>> vehicles((3, 7)).names
        ('vehicle 1', 'vehicle 2')
    """
    rows, features = _axes(shape, 2, "vehicles and features")
    names = _named(names or ("ego", *(f"vehicle {i}" for i in range(1, rows))), rows)
    first = 0 if ego else 1
    number = (torch.arange(rows) - first).clamp(min=-1)
    return Groups(names[first:], number[:, None].expand(rows, features).clone())


def vehicle_features(shape: Sequence[int], row: int, names: Sequence[str] = ()) -> Groups:
    """One group for each feature of one vehicle; all other vehicles stay as they are.

    Args:
        shape: (V, F) rows and their features.
        row: which vehicle, 0 is the ego.
        names: of the F features, as ``agent.space.features`` has them.

    Raises:
        PolicyscopeError: the shape has not two axes, there is no such row, or not F names.

    Example:
        >>> vehicle_features((3, 2), 1, ("x", "y")).of.tolist()
        [[-1, -1], [0, 1], [-1, -1]]
    """
    rows, features = _axes(shape, 2, "vehicles and features")
    if not 0 <= row < rows:
        raise PolicyscopeError(f"there is no vehicle {row}, valid are 0 to {rows - 1}")
    of = torch.full((rows, features), -1)
    of[row] = torch.arange(features)
    return Groups(_named(names or [f"feature {i}" for i in range(features)], features), of)


def channels(shape: Sequence[int]) -> Groups:
    """One group for each channel of a map.

    Args:
        shape: (C, H, W).

    Raises:
        PolicyscopeError: the shape has not three axes.

    Example:
        >>> channels((2, 4, 4)).sizes().tolist()
        [16, 16]
    """
    count, height, width = _axes(shape, 3, "channels, rows and columns")
    of = torch.arange(count)[:, None, None].expand(count, height, width).clone()
    return Groups(tuple(f"channel {i}" for i in range(count)), of)


def blocks(shape: Sequence[int], size: int) -> Groups:
    """One group for each square block of places of a map, through all channels.

    Args:
        shape: (C, H, W).
        size: places along a side; blocks at the lower and right edges are cut.

    Raises:
        PolicyscopeError: the shape has not three axes, or the size is below 1.

    Example:
        >>> blocks((3, 4, 6), 4).names
        ('rows 0-3, columns 0-3', 'rows 0-3, columns 4-5')
    """
    count, height, width = _axes(shape, 3, "channels, rows and columns")
    if size < 1:
        raise PolicyscopeError("a block has at least 1 place along a side")
    down, across = torch.arange(height) // size, torch.arange(width) // size
    of = down[:, None] * (int(across[-1]) + 1) + across
    names = [
        f"rows {top}-{min(top + size, height) - 1}, columns {left}-{min(left + size, width) - 1}"
        for top in range(0, height, size)
        for left in range(0, width, size)
    ]
    return Groups(tuple(names), of.expand(count, height, width).clone())


def units(shape: Sequence[int], names: Sequence[str] = ()) -> Groups:
    """Each unit a group of its own.

    Args:
        shape: of the activation, without the batch axis.
        names: of the units, counted along all axes.

    Raises:
        PolicyscopeError: there is not a name for each unit.

    Example:
        >>> units((2, 2)).names
        ('0,0', '0,1', '1,0', '1,1')
    """
    of = torch.arange(torch.Size(shape).numel()).view(*shape)
    places = [",".join(map(str, place)) for place in torch.ones_like(of).nonzero().tolist()]
    return Groups(_named(names or places, of.numel()), of)


def from_masks(masks: Mapping[str, Bool[Tensor, "..."]]) -> Groups:
    """Groups of one's own, from masks.

    Args:
        masks: by name, (...) which units belong to the group.

    Raises:
        PolicyscopeError: no masks, masks of unlike shapes, or a unit in two of them.

    Example:
        >>> from_masks({"ends": torch.tensor([True, False, True])}).of.tolist()
        [0, -1, 0]
    """
    if len({tuple(mask.shape) for mask in masks.values()}) != 1:
        raise PolicyscopeError("groups are made from masks of one shape, at least one")
    stacked = torch.stack(list(masks.values())).long()
    if int(stacked.sum(0).max()) > 1:
        first = torch.where(stacked.sum(0) > 1, stacked, 0).flatten(1).amax(1).nonzero()[:2, 0]
        one, other = (list(masks)[i] for i in first.tolist())
        raise PolicyscopeError(f"groups '{one}' and '{other}' share units: each unit has one group")
    return Groups(tuple(masks), torch.where(stacked.sum(0) > 0, stacked.argmax(0), -1))


def _axes(shape: Sequence[int], count: int, meaning: str) -> tuple[int, ...]:
    if len(shape) != count:
        raise PolicyscopeError(
            f"these groups need {meaning}; the activation has shape {tuple(shape)}"
        )
    return tuple(shape)


def _named(names: Sequence[str], count: int) -> tuple[str, ...]:
    if len(names) != count:
        raise PolicyscopeError(f"{count} names are needed, {len(names)} are given")
    return tuple(names)
