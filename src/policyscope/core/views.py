"""What a method shows step by step: numbers as tracks, maps as overlays.

A function registered as a ``track`` takes ``(recording, episode)`` and returns a list of tracks; one
registered as an ``overlay`` returns a list of overlays. A saved result needs no function: see
``docs/panel.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from policyscope.core.errors import PolicyscopeError


@dataclass(frozen=True, eq=False)
class Track:
    """One number for each step of an episode.

    Args:
        name: what it is called.
        values: (T,), NaN where there is none.
        unit: e.g. return, m/s, nats; empty for a pure number.
        group: tracks of one group share an axis; default is the track's own name.
        kind: line, or event for marks at the steps where it is not 0.
        shown: whether a page shows it from the start.
    """

    name: str
    values: Float[np.ndarray, " T"]
    unit: str = ""
    group: str = ""
    kind: Literal["line", "event"] = "line"
    shown: bool = False


@dataclass(frozen=True, eq=False)
class Overlay:
    """One map for each step of an episode, in L layers.

    Args:
        name: what it is called.
        over: what the map lies on.
        values: over entities (T, L, E); over the frame or the scene (T, L, height, width).
        layers: names of the layers.
        unit: of the values.
        identity: (T, E) whom each column shows, -1 nobody; over entities only.
        extent: x low, y low, x high, y high in metres; over the scene only.
        signed: whether 0 is the middle of the colours.
        scale: lowest and highest value the colours stand for; default is this episode's own.
        shown: whether a page shows it from the start.

    Raises:
        PolicyscopeError: shapes do not fit together.
    """

    name: str
    over: Literal["entities", "frame", "scene"]
    values: Float[np.ndarray, "T L ..."]
    layers: Sequence[str]
    unit: str = ""
    identity: Int[np.ndarray, "T E"] | None = None
    extent: tuple[float, float, float, float] | None = None
    signed: bool = False
    scale: tuple[float, float] | None = None
    shown: bool = False

    def __post_init__(self) -> None:
        axes = 3 if self.over == "entities" else 4
        fault = None
        if self.values.ndim != axes or self.values.shape[1] != len(self.layers):
            fault = f"values have shape {self.values.shape}, expected {axes} axes, the second of "
            fault += f"{len(self.layers)} layers"
        elif self.over == "entities" and (
            self.identity is None or self.identity.shape != self.values.shape[::2]
        ):
            fault = "an overlay over entities needs identity of shape (T, E)"
        elif self.over == "scene" and self.extent is None:
            fault = "an overlay over the scene needs its extent in metres"
        if fault:
            raise PolicyscopeError(f"overlay '{self.name}': {fault}")
