"""Entities: the typed objects of a scene, each with an identity."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np

#: Kinds of which a scene has one, and those whose pieces mean nothing: they go without a number.
_WITHOUT_NUMBER = ("ego", "player", "mouse", "coin", "cheese", "wall", "lava")
_UNITS = {"highway": ("m", "m/s"), "procgen": ("tiles", "tiles/step")}


def entity_name(kind: str, identity: int) -> str:
    """What an entity is called wherever people read of it.

    Args:
        kind: of the entity.
        identity: constant through an episode.

    Example:
        >>> entity_name("vehicle", 3), entity_name("coin", 17), entity_name("ego", 0)
        ('vehicle 3', 'coin', 'ego')
    """
    return kind if kind in _WITHOUT_NUMBER else f"{kind} {identity}"


def kind_name(kind: str) -> str:
    """What all entities of a kind together are called.

    Example:
        >>> kind_name("vehicle"), kind_name("enemy"), kind_name("lava"), kind_name("ego")
        ('vehicles', 'enemies', 'lava', 'ego')
    """
    if kind in _WITHOUT_NUMBER and kind != "wall":
        return kind
    if re.search("[^aeiou]y$", kind):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if re.search("(s|x|z|ch|sh)$", kind) else f"{kind}s"


def scene_units(env: str) -> tuple[str, str]:
    """Units of places and of speeds in the scenes of an environment; empty where not known.

    Args:
        env: id of the environment.

    Example:
        >>> scene_units("highway/intersection"), scene_units("procgen/coinrun")
        (('m', 'm/s'), ('tiles', 'tiles/step'))
    """
    return _UNITS.get(env.split("/")[0], ("", ""))


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
