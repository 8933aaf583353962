"""Why an episode ended, found from the step that the engine never shows.

The engine begins the next level in the step that ends one. So the last steps are made again from
a state before them, where nothing can end the episode, and what they come to is judged by the
engine's own rules.
"""

import numpy as np

from policyscope.envs.procgen import codes
from policyscope.envs.procgen.motion import listed
from policyscope.envs.procgen.state import State, game_of, parse

CAUSES = {
    "coinrun": ("coin", "saw", "enemy_left", "enemy_right", "lava", "fell", "timed_out"),
    "maze": ("cheese", "timed_out"),
}
"""Outcomes by game, in the order in which ``outcome`` names them."""

_NEVER = 2**30
_OUT_OF_REACH = -100.0
_NOWHERE = 2
"""A layer that the engine does not draw; it draws -1, 0 and 1."""


def may_end_badly(data: bytes) -> bool:
    """Whether the world of a state has a saw, an enemy or lava; no game but CoinRun is looked at.

    Nothing adds one to an episode, so without them it ends by its goal or the time limit.
    """
    return game_of(data) == "coinrun" and dangerous(parse(data))


def dangerous(state: State) -> bool:
    """What ``may_end_badly`` says of the bytes of a state."""
    return state.game == "coinrun" and bool(_lava(state).any() or _harmful(state).any())


def disarmed(state: State) -> State:
    """A copy in which nothing ends the episode and everything moves as before."""
    safe = state.copy()
    if state.game == "coinrun":
        safe.entities["collision_margin"][_harmful(state)] = _OUT_OF_REACH
        safe.grid[_lava(state)] = codes.EMPTY
    safe.grid[state.grid == codes.GOAL[state.game]] = codes.EMPTY
    safe.progress["timeout"] = _NEVER
    return safe


def unseen(state: State) -> State:
    """A copy that goes on as before and is drawn faster: no background, no objects, a few cells.

    What is drawn is never asked for when things move, so only the view differs.
    """
    dark = state.copy()
    dark.options["use_backgrounds"], dark.options["center_agent"] = 0, 1
    dark.view["visibility"] = 0.01
    dark.entities["render_z"] = _NOWHERE
    return dark


def armed(later: State, before: State) -> State:
    """What ``disarmed(before)`` came to, with what can end the episode put back."""
    values = {**vars(later), "grid": before.grid, "entities": later.entities.copy()}
    values["progress"] = later.progress.copy()
    values["progress"]["timeout"] = before.progress["timeout"]
    margins = before.entities["collision_margin"][listed(before)]
    values["entities"]["collision_margin"][listed(later)] = margins
    return State(**values)


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


def _harmful(state: State) -> np.ndarray:
    types = state.entities["type"]
    return np.asarray((types == codes.SAW) | (types == codes.ENEMY))


def _lava(state: State) -> np.ndarray:
    return (state.grid == codes.LAVA) | (state.grid == codes.LAVA_TOP)


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
