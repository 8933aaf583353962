"""Why an episode ended, found from the step that the engine never shows.

The engine begins the next level in the step that ends one. So the last step is made again from
the state before it, where nothing can end the episode, and its result is judged by the engine's
own rules.
"""

import numpy as np

from policyscope.envs.procgen import codes
from policyscope.envs.procgen.state import State

CAUSES = {
    "coinrun": ("coin", "saw", "enemy_left", "enemy_right", "lava", "fell", "timed_out"),
    "maze": ("cheese", "timed_out"),
}
"""Outcomes by game, in the order in which ``outcome`` names them."""

_NEVER = 2**30
_OUT_OF_REACH = -100.0


def disarmed(state: State) -> State:
    """A copy in which nothing ends the episode and everything moves as before."""
    safe = state.copy()
    harmful = np.isin(safe.entities["type"], (codes.SAW, codes.ENEMY))
    if state.game == "coinrun":
        safe.entities["collision_margin"][harmful] = _OUT_OF_REACH
        safe.grid[np.isin(safe.grid, (codes.COIN, codes.LAVA, codes.LAVA_TOP))] = codes.EMPTY
    else:
        safe.grid[safe.grid == codes.CHEESE] = codes.EMPTY
    safe.progress["timeout"] = _NEVER
    return safe


def causes(before: State, after: State) -> tuple[str, ...]:
    """Every cause that held at the end of an episode.

    Args:
        before: the state that the last observation shows.
        after: what the last action makes of ``disarmed(before)``.

    Returns:
        Names from ``CAUSES``; several where several held; ``("unknown",)`` where none did.
        ``timed_out`` stands alone.
    """
    player = after.entities[after.player]
    touched = set(_cells(before.grid, player).ravel().tolist())
    found = set()
    if codes.GOAL[before.game] in touched:
        found.add("coin" if before.game == "coinrun" else "cheese")
    if before.game == "coinrun":
        found |= _collisions(before, after, player)
        if touched & {codes.LAVA, codes.LAVA_TOP}:
            found.add("lava")
        height, width = before.grid.shape
        if not (0 <= player["x"] <= width and 0 <= player["y"] <= height):
            found.add("fell")
    if not found and after.progress["cur_time"] >= before.progress["timeout"]:
        found.add("timed_out")
    return tuple(name for name in CAUSES[before.game] if name in found) or ("unknown",)


def _collisions(before: State, after: State, player: np.void) -> set[str]:
    """Saws and enemies that the player overlaps; an enemy by where it was heading.

    The heading is that of the state before: an enemy that turns round does so after its move.
    """
    found = set()
    for code in (codes.SAW, codes.ENEMY):
        old = before.entities[before.entities["type"] == code]
        new = after.entities[after.entities["type"] == code]
        if len(old) != len(new):
            return {"unknown"}
        reach = old["collision_margin"]
        hit = np.abs(new["x"] - player["x"]) < new["rx"] + player["rx"] + reach
        hit &= np.abs(new["y"] - player["y"]) < new["ry"] + player["ry"] + reach
        if code == codes.SAW:
            found |= {"saw"} if hit.any() else set()
        else:
            found |= {"enemy_right" if vx > 0 else "enemy_left" for vx in old["vx"][hit]}
    return found


def _cells(grid: np.ndarray, player: np.void) -> np.ndarray:
    """Codes of the cells that the player covers, as the engine counts them."""
    half_x, half_y = player["rx"] - np.float32(0.001), player["ry"] - np.float32(0.001)
    left, right = max(int(player["x"] - half_x), 0), int(player["x"] + half_x)
    low, high = max(int(player["y"] - half_y), 0), int(player["y"] + half_y)
    return grid[low : high + 1, left : right + 1]
