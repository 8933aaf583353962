"""What actions are called: by what they do, as several may do nothing."""

from collections.abc import Sequence

#: What every action that does nothing is called where several do.
NOTHING = "no-op"
_GAMES = ("procgen/coinrun", "procgen/maze")
_IDLE = ("IDLE", "D", "A", "W", "S", "Q", "E")


def idle_actions(env: str, actions: Sequence[str]) -> list[str]:
    """Actions of one and the same effect, to move nothing; empty where each has its own.

    CoinRun and Maze read the directions of the first nine actions alone.

    Args:
        env: id of the environment.
        actions: their names in the environment.
    """
    return list(_IDLE) if env in _GAMES and set(_IDLE) <= set(actions) else []


def action_names(env: str, actions: Sequence[str]) -> list[str]:
    """What each action is called wherever people read of it.

    Args:
        env: id of the environment.
        actions: their names in the environment.

    Example:
        >>> action_names("highway/intersection", ["SLOWER", "IDLE"])
        ['SLOWER', 'IDLE']
        >>> action_names("procgen/maze", ["UP", "IDLE", "D", "A", "W", "S", "Q", "E"])[:3]
        ['UP', 'no-op', 'no-op']
    """
    idle = idle_actions(env, actions)
    return [NOTHING if name in idle else name for name in actions]


def effects(env: str, actions: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Name and numbers of the actions of each effect, in the order of their first action.

    Args:
        env: id of the environment.
        actions: their names in the environment.

    Example:
        >>> effects("procgen/maze", ["UP", "IDLE", "D", "A", "W", "S", "Q", "E"])
        [('UP', [0]), ('no-op ×7', [1, 2, 3, 4, 5, 6, 7])]
    """
    found: dict[str, list[int]] = {}
    for number, name in enumerate(action_names(env, actions)):
        found.setdefault(name, []).append(number)
    return [
        (f"{name} ×{len(numbers)}" if len(numbers) > 1 else name, numbers)
        for name, numbers in found.items()
    ]
