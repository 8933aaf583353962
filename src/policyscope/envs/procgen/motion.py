"""What can move in CoinRun and Maze, as arrays of one or more games, and where it heads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from policyscope.envs.procgen import codes
from policyscope.envs.procgen.state import State

LISTED = {game: np.zeros(128, bool) for game in codes.OBJECTS}
"""Which types of entities have an identity, beside the player."""
LISTED["coinrun"][[codes.SAW, codes.ENEMY, codes.CRATE]] = True


@dataclass(frozen=True)
class Moving:
    """Players, saws, enemies and crates, game after game; the first of each game is its player.

    Args:
        counts: (G,) int64, how many each of G games has; M in all.
        type: (M,) int32, as in ``codes``.
        place: (4, M) float32: x, y, vx and vy, tiles and tiles per step; y points up.
        reflected: (M,) bool, drawn as in a mirror.
        faces_right: (G,) bool, of the players.
    """

    counts: np.ndarray
    type: np.ndarray
    place: np.ndarray
    reflected: np.ndarray
    faces_right: np.ndarray


def listed(state: State) -> np.ndarray:
    """Rows of ``state.entities`` that have an identity, but the player's: saws, enemies, crates."""
    listed_of_all: np.ndarray = LISTED[state.game][state.entities["type"]].nonzero()[0]
    return listed_of_all


def moving_in(state: State) -> Moving:
    """What can move in one game, from its state."""
    rows = np.concatenate([[state.player], listed(state)])
    of = state.entities[rows]
    reflected = of["is_reflected"] != 0
    faces = reflected[0] if state.game == "maze" else state.tail["facing_right"] != 0
    place = np.stack([of[name] for name in ("x", "y", "vx", "vy")])
    return Moving(np.array([len(rows)]), of["type"], place, reflected, np.array([faces]))


def joined(games: Sequence[Moving]) -> Moving:
    """Several games as one."""
    columns = ([getattr(game, field.name) for game in games] for field in fields(Moving))
    return Moving(*(np.concatenate(column, axis=-1) for column in columns))


def same(one: Moving, other: Moving) -> bool:
    """Whether two readings have the same values, bit for bit."""
    pairs = ((getattr(one, f.name), getattr(other, f.name)) for f in fields(Moving))
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


def motion(moving: Moving, height: np.ndarray | float) -> np.ndarray:
    """Where objects are, where they head and how fast.

    Args:
        moving: the objects.
        height: height of their worlds in tiles, one for all or (M,).

    Returns:
        (4, M) float64: x, y from the top, heading in radians clockwise from the right, speed in
        tiles per step.
    """
    found = moving.place.astype(float)
    vx, vy = found[2], found[3]
    speed = np.hypot(vx, vy)
    # Where one stands still it heads where it faces; saws and crates never move nor face.
    left = (moving.type == codes.ENEMY) & ~moving.reflected
    left[np.cumsum(moving.counts) - moving.counts] = ~moving.faces_right
    heading = np.where(speed == 0, np.pi * left, np.arctan2(0.0 - vy, vx))
    found[1], found[2], found[3] = height - found[1], heading, speed
    return found
