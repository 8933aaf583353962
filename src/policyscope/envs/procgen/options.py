"""What can be set of a Procgen environment."""

from typing import Any

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.procgen.actions import ACTIONS, REDUCED, SETS

MODES = {"easy": 0, "hard": 1, "extreme": 2, "memory": 10}

_FEWER = {
    "extreme": ("chaser", "dodgeball", "leaper", "starpilot"),
    "memory": ("caveflyer", "dodgeball", "heist", "jumper", "maze", "miner"),
}
"""Games of the modes that not all games have; the engine ends the process at others."""

_FLAGS = {
    "use_backgrounds": True,
    "paint_vel_info": False,
    "center_agent": True,
    "restrict_themes": False,
    "use_monochrome_assets": False,
}
DEFAULTS: dict[str, Any] = {
    "mode": "hard",
    "start_level": 200_000,
    "num_levels": 0,
    **_FLAGS,
    "actions": len(ACTIONS),
    "threads": 0,
}
"""Every option and its default.

``start_level`` is the level of ``Start(seed=0)``; those of seeds 0..9999 above it are for
evaluation. ``num_levels`` is after how many seeds the levels repeat, 0 for never. ``actions`` is
how many there are to choose among, one of ``actions.SETS``.
"""


NOT_OFFERED = {
    "use_sequential_levels": "an episode would run over several levels, so that a seed would no "
    "longer stand for one level",
    "use_generated_assets": "states with generated pictures are not read, so that nothing could be "
    "restored or edited",
    "debug_mode": "it is a number for whoever changes the engine's own code",
}
"""Options of the engine that cannot be set here, and why."""


def settings(options: dict[str, Any]) -> dict[str, Any]:
    """All settings, the given ones over the defaults.

    Raises:
        UnknownName: an option or a mode that does not exist.
        PolicyscopeError: a value an option does not take, or an option of ``NOT_OFFERED``.

    Example:
        >>> settings({"mode": "easy"})["use_backgrounds"]
        True
    """
    for name in options:
        if name in NOT_OFFERED:
            told = f"option {name} of the engine is not offered: {NOT_OFFERED[name]}"
            raise PolicyscopeError(f"{told}; leave it out")
        if name not in DEFAULTS:
            raise UnknownName("option of a procgen environment", name, DEFAULTS)
    chosen = {**DEFAULTS, **options}
    if chosen["mode"] not in MODES:
        raise UnknownName("procgen mode", str(chosen["mode"]), MODES)
    for name, value in chosen.items():
        flag = name in _FLAGS
        if flag and not isinstance(value, bool):
            raise PolicyscopeError(f"option {name} is true or false, not {value!r}")
        number = name in ("start_level", "num_levels", "threads")
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 - 1
        if number and not fits:
            raise PolicyscopeError(f"option {name} is a whole number from 0, not {value!r}")
    if type(chosen["actions"]) is not int or chosen["actions"] not in SETS:
        told = f"{len(ACTIONS)}, or {len(REDUCED)} for those that move ({', '.join(REDUCED)})"
        raise PolicyscopeError(f"option actions is {told}, not {chosen['actions']!r}")
    return chosen


def require_mode(game: str, mode: str) -> None:
    """Refuse a mode that a game does not have.

    Raises:
        UnknownName: with the modes it has.
    """
    valid = [m for m in MODES if game in _FEWER.get(m, (game,))]
    if mode not in valid:
        raise UnknownName(f"mode of procgen/{game}", mode, valid)


def engine_options(options: dict[str, Any]) -> dict[str, Any]:
    """The engine's own options.

    Raises:
        PolicyscopeError: as ``settings``.
    """
    chosen = settings(options)
    return {
        **{name: chosen[name] for name in _FLAGS},
        "use_generated_assets": False,
        "distribution_mode": MODES[chosen["mode"]],
    }


def level_of(seed: int, options: dict[str, Any]) -> int:
    """The level that a seed stands for.

    Example:
        >>> level_of(7, {"start_level": 100, "num_levels": 5})
        102
    """
    chosen = settings(options)
    if seed < 0:
        raise PolicyscopeError(f"procgen environments start from a seed >= 0, not {seed}")
    return chosen["start_level"] + (seed % chosen["num_levels"] if chosen["num_levels"] else seed)
