"""Which states may be given to the engine, which ends the process at one it cannot use."""

import re
from functools import cache

import numpy as np

from policyscope.envs.procgen import codes, layout, ranges
from policyscope.envs.procgen.state import (
    BadState,
    Generator,
    Head,
    State,
    game_of,
    parse,
    parse_head,
)

_WORDS = 624
_MOST_ENTITIES = 2_000
# A number below 2**32; one expression reads the text three times faster than int() can. Atomic
# groups, since one that goes back and tries again would never end on a wrong text.
_WORD = (
    rb"(?:[1-3]?\d{1,9}|4(?:[01]\d{8}|2(?:[0-8]\d{7}|9(?:[0-3]\d{6}|4(?:[0-8]\d{5}|9(?:[0-5]\d{4}"
    rb"|6(?:[0-6]\d{3}|7(?:[01]\d\d|2(?:[0-8]\d|9[0-5])))))))))"
)
_TEXT = re.compile(rb"(?>" + _WORD + rb" ){624}\d{1,3}")


def require_writable(data: bytes) -> Head:
    """Refuse bytes that the engine might not survive; give what they say.

    States of games that are not parsed are judged by what all games have in common, and must
    come from an engine of this process.

    Raises:
        BadState: what is wrong with them, in one line.

    Cost: about 150 microseconds.
    """
    if game_of(data) in layout.TAILS:
        state = parse(data)
        require_valid(state)
        return state
    head = parse_head(data)
    _require_head(head)
    if data[-4:] != layout.END:
        raise BadState("the state does not end with its end marker")
    return head


def require_valid(state: State) -> None:
    """Refuse a state whose values the engine might not survive.

    Raises:
        BadState: the first value outside of what it may be.
    """
    _require_head(state)
    game = state.game
    _within("motion", state.motion.reshape(1), ranges.MOTION[game])
    _within("view", state.view.reshape(1), ranges.VIEW)
    _within(game, state.tail.reshape(1), ranges.TAILS[game])
    if state.asset_rng.seeded not in (0, 1):
        raise BadState("asset generator: its flag is neither 0 nor 1")
    _require_text(state.asset_rng, "asset generator")
    _require_world(state)
    _require_entities(state)


def _require_head(head: Head) -> None:
    _within("options", head.options.reshape(1), ranges.OPTIONS)
    _within("progress", head.progress.reshape(1), ranges.PROGRESS)
    if head.options["level_seed_low"] >= head.options["level_seed_high"]:
        raise BadState("options: level_seed_low is not below level_seed_high")
    for name, generator in (("level generator", head.level_rng), ("generator", head.rng)):
        if generator.seeded != 1:
            raise BadState(f"{name}: it is not seeded")
        _require_text(generator, name)


def _require_text(generator: Generator, name: str) -> None:
    if not _TEXT.fullmatch(generator.text):
        raise BadState(f"{name}: not the text of a libstdc++ mt19937 (states are of one platform)")
    if int(generator.text[-3:].split()[-1]) > _WORDS:
        raise BadState(f"{name}: its position is beyond its {_WORDS} words")


def _require_world(state: State) -> None:
    game, mode = state.game, int(state.options["distribution_mode"])
    worlds = ranges.WORLDS[game]
    if mode not in worlds:
        raise BadState(f"{game} has no distribution mode {mode}")
    sides = [*state.grid.shape, int(state.view["main_width"]), int(state.view["main_height"])]
    if game == "maze":
        sides.append(int(state.tail["world_dim"]))
        if state.tail["maze_dim"] > worlds[mode] or state.tail["maze_dim"] % 2 == 0:
            raise BadState(f"maze: maze_dim {state.tail['maze_dim']} does not fit the world")
    if set(sides) != {worlds[mode]}:
        raise BadState(f"the world's sides are {sides}, not all {worlds[mode]}")
    expected = 15 if game == "coinrun" else 51
    if state.view["out_of_bounds_object"] != expected:
        raise BadState(f"view: out_of_bounds_object is not {expected}")
    if state.options["grid_step"] != (game == "maze"):
        raise BadState("options: grid_step is of another game")
    known = np.isin(state.grid, ranges.GRID[game])
    if not known.all():
        raise BadState(f"grid: {int(state.grid[~known][0])} is no code of {game}")


def _require_entities(state: State) -> None:
    game, types = state.game, state.entities["type"]
    if not 1 <= len(types) <= _MOST_ENTITIES:
        raise BadState(f"{len(types)} entities are not 1..{_MOST_ENTITIES}")
    if (types == codes.PLAYER).sum() != 1:
        raise BadState(f"a state needs one player, not {(types == codes.PLAYER).sum()}")
    known = ranges.ENTITIES[game]
    for kind in np.unique(types).tolist():
        if kind not in known:
            raise BadState(f"entities: {kind} is no type of {game}")
        _within(codes.OBJECTS[game][kind], state.entities[types == kind], known[kind])
    side = state.grid.shape[0]
    if max(state.entities["x"].max(), state.entities["y"].max()) > side:
        raise BadState("entities: one stands outside of the world")


def _within(what: str, records: np.ndarray, limits: ranges.Ranges) -> None:
    """Compare all fields of records with their limits at once."""
    for kind in ("<i4", "<f4"):
        columns, low, high = _limits(records.dtype, kind, tuple(sorted(limits.items())))
        values = np.ascontiguousarray(records).view(kind).reshape(len(records), -1)[:, columns]
        fits = (values >= low) & (values <= high)
        if not fits.all():
            row, column = np.argwhere(~fits)[0]
            name = (records.dtype.names or ())[columns[column]]
            raise BadState(
                f"{what}: {name} is {values[row, column]}, not within {low[column]}..{high[column]}"
            )


@cache
def _limits(
    dtype: np.dtype, kind: str, limits: tuple[tuple[str, tuple[float, float]], ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    of, names = dict(limits), dtype.names or ()
    chosen = [i for i, name in enumerate(names) if dtype[name] == np.dtype(kind)]
    low, high = (np.array([of[names[i]][k] for i in chosen], kind) for k in (0, 1))
    return np.array(chosen, int), low, high
