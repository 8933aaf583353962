"""Entities: the typed objects of a scene, each with an identity."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Entities:
    """A table of the objects in one scene; arrays of length E.

    Args:
        identity: (E,) int64, constant through an episode however observations shuffle; ego is 0.
        kind: (E,) names, e.g. ego or vehicle.
        row: (E,) int64, row of the observation that shows the object, -1 where none does.
        x: (E,) float64, metres east.
        y: (E,) float64, metres south.
        heading: (E,) float64, radians clockwise from east as seen on the screen.
        speed: (E,) float64, metres per second.
        length: (E,) float64, metres.
        width: (E,) float64, metres.
    """

    identity: np.ndarray
    kind: np.ndarray
    row: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    speed: np.ndarray
    length: np.ndarray
    width: np.ndarray

    def __len__(self) -> int:
        return len(self.identity)

    def columns(self) -> dict[str, np.ndarray]:
        """Arrays by column name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def empty(cls) -> "Entities":
        """A table without rows."""
        return cls.from_rows([])

    @classmethod
    def from_rows(
        cls, rows: list[tuple[int, str, int, float, float, float, float, float, float]]
    ) -> "Entities":
        """Build the table from tuples in the order of the columns."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * 9
        kinds = ("int64", "object", "int64") + ("float64",) * 6
        return cls(*(np.array(c, dtype=k) for c, k in zip(columns, kinds, strict=True)))


@runtime_checkable
class ManyEntities(Protocol):
    """A stepper that tells the objects of several lanes faster than one by one."""

    def entities_of(self, lanes: Sequence[int]) -> list[Entities]:
        """Tables of some lanes, equal to what ``call(lane, "entities")`` gives of each."""
