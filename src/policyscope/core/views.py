"""What a method shows step by step: numbers as tracks, maps as overlays.

A function registered as a ``track`` takes ``(recording, episode)`` and returns a list of tracks;
one registered as an ``overlay`` returns a list of overlays. A saved result needs no function: see
``docs/panel.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int, Shaped

from policyscope.core.errors import PolicyscopeError

LONGEST_NAME = 100


@dataclass(frozen=True, eq=False)
class Track:
    """One number for each step of an episode.

    Args:
        name: what it is called, at most 100 characters.
        values: (T,), NaN where there is none.
        unit: e.g. return, m/s, nats; empty for a pure number.
        group: tracks of one group share an axis; default is the track's own name.
        kind: line, or event for marks at the steps where it is not 0.
        shown: whether a page shows it from the start.

    Raises:
        PolicyscopeError: no name, no numbers, more than one axis, or another kind.

    Example:
        >>> Track("speed", np.array([8.0, 9.5]), "m/s").group
        'speed'
    """

    name: str
    values: Shaped[np.ndarray, " T"]
    unit: str = ""
    group: str = ""
    kind: Literal["line", "event"] = "line"
    shown: bool = False

    def __post_init__(self) -> None:
        what = _named("track", self.name)
        values = _numbers(what, self.values)
        if values.ndim != 1:
            raise PolicyscopeError(f"{what}: values have shape {values.shape}, expected (T,)")
        if self.kind not in ("line", "event"):
            raise PolicyscopeError(f"{what}: kind is line or event, got '{self.kind}'")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "group", self.group or self.name)


@dataclass(frozen=True, eq=False)
class Overlay:
    """One map for each step of an episode, in L layers.

    Args:
        name: what it is called, at most 100 characters.
        over: what the map lies on.
        values: over entities (T, L, E); over the frame or the scene (T, L, height, width), the
            first row and column at the top left of the frame, or at x low, y low of the scene. NaN
            where nothing is drawn.
        layers: names of the layers.
        unit: of the values.
        identity: (T, E) whom each column shows, -1 nobody; over entities only.
        extent: x low, y low, x high, y high in metres; over the scene only.
        signed: whether 0 is the middle of the colours.
        scale: lowest and highest value the colours stand for; default is this episode's own.
        shown: whether a page shows it from the start.

    Raises:
        PolicyscopeError: shapes do not fit together.

    Example:
        >>> weights, who = np.ones((3, 1, 2)), np.array([[0, 4], [0, 4], [4, 0]])
        >>> Overlay("attention", "entities", weights, ["head 0"], identity=who).over
        'entities'
    """

    name: str
    over: Literal["entities", "frame", "scene"]
    values: Shaped[np.ndarray, "T L ..."]
    layers: Sequence[str]
    unit: str = ""
    identity: Int[np.ndarray, "T E"] | None = None
    extent: tuple[float, float, float, float] | None = None
    signed: bool = False
    scale: tuple[float, float] | None = None
    shown: bool = False

    def __post_init__(self) -> None:
        what = _named("overlay", self.name)
        if self.over not in ("entities", "frame", "scene"):
            raise PolicyscopeError(
                f"{what}: it lies over entities, frame or scene, got '{self.over}'"
            )
        values = _numbers(what, self.values)
        axes = 3 if self.over == "entities" else 4
        if values.ndim != axes or values.shape[1] != len(self.layers):
            raise PolicyscopeError(
                f"{what}: values have shape {values.shape}, expected {axes} axes, the second of "
                f"{len(self.layers)} layers"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "layers", tuple(self.layers))
        self._check_place(what)
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise PolicyscopeError(
                f"{what}: the scale {self.scale} does not go from low to high"
            )  # NaN does not either

    def _check_place(self, what: str) -> None:
        """That identity and extent are given where, and only where, they mean something."""
        if (self.identity is not None) != (self.over == "entities"):
            needs = "needs" if self.over == "entities" else "has no"
            raise PolicyscopeError(f"{what}: an overlay over {self.over} {needs} identity")
        if self.identity is not None:
            identity, expected = np.asarray(self.identity), self.values.shape[::2]
            if identity.dtype.kind not in "iu" or identity.shape != expected:
                raise PolicyscopeError(
                    f"{what}: identity is {identity.dtype} of shape {identity.shape}, expected "
                    f"whole numbers of shape (T, E) = {expected}"
                )
            object.__setattr__(self, "identity", identity)
        if (self.extent is not None) != (self.over == "scene"):
            needs = "needs its" if self.over == "scene" else "has no"
            raise PolicyscopeError(f"{what}: an overlay over the {self.over} {needs} extent")
        if self.extent is not None:
            x_low, y_low, x_high, y_high = self.extent if len(self.extent) == 4 else [np.nan] * 4
            if not (x_low < x_high and y_low < y_high):
                raise PolicyscopeError(
                    f"{what}: extent is x low, y low, x high, y high, got {self.extent}"
                )


def _named(kind: str, name: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise PolicyscopeError(f"{kind} {name!r}: a name has 1 to {LONGEST_NAME} characters")
    return f"{kind} '{name}'"


def _numbers(what: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise PolicyscopeError(f"{what}: values are {values.dtype}, expected numbers")
    return values
