"""Entity tables of later moments, made from an earlier one of the same scene."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policyscope.envs.entities import Entities
from policyscope.envs.procgen.motion import Moving, motion
from policyscope.envs.procgen.objects import GOAL, scenery, table
from policyscope.envs.procgen.state import State


@dataclass(frozen=True)
class Still:
    """What stays the same in the tables of an episode, until the scene is edited.

    Args:
        grid: the cells it was made of.
        identities: of the saws, enemies and crates.
        table: the table of the moment it was made in.
        columns: (4, E) float64: x, y, heading and speed in that table.
        rows: (M,) int64, rows of what can move, the player's first.
    """

    grid: np.ndarray
    identities: tuple[int, ...]
    table: Entities
    columns: np.ndarray
    rows: np.ndarray


def still(state: State, identities: tuple[int, ...]) -> Still:
    """What stays the same after a moment.

    Args:
        state: the moment.
        identities: of the saws, enemies and crates, in the order of ``listed(state)``.

    Cost: about a millisecond.
    """
    shown = table(state, identities, scenery(state))
    goals = int((shown.identity == GOAL).sum())
    rows = np.concatenate([[0], np.arange(len(identities)) + 1 + goals])
    columns = np.stack([shown.x, shown.y, shown.heading, shown.speed])
    return Still(state.grid, identities, shown, columns, rows)


def tables(scenes: Sequence[Still], moving: Moving) -> list[Entities]:
    """The tables of a moment of several games.

    Args:
        scenes: what stays the same in each game.
        moving: where their objects are now.

    Returns:
        One table for each game. Tables of one call share memory, as do columns that never change.

    Cost: about 3 microseconds a game, for many games at once.
    """
    columns = np.concatenate([scene.columns for scene in scenes], axis=1)
    ends = np.cumsum([len(scene.table) for scene in scenes])
    begins = np.concatenate([[0], ends[:-1]])
    rows = np.concatenate([scene.rows for scene in scenes])
    rows += np.repeat(begins, moving.counts)
    heights = np.repeat([float(scene.grid.shape[0]) for scene in scenes], moving.counts)
    columns[:, rows] = motion(moving, heights)
    found = []
    for scene, begin, end in zip(scenes, begins.tolist(), ends.tolist(), strict=True):
        was, (x, y, heading, speed) = scene.table, columns[:, begin:end]
        found.append(
            Entities(was.identity, was.kind, was.row, x, y, heading, speed, was.length, was.width)
        )
    return found
