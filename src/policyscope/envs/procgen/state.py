"""States of CoinRun and Maze, read from the engine's bytes and written back bit for bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.procgen import layout


class BadState(PolicyscopeError):
    """Bytes or values that the engine must not be given."""


@dataclass(frozen=True)
class Generator:
    """A random generator as the engine writes it.

    Args:
        seeded: 1 once it was seeded.
        text: state of a libstdc++ mt19937: 625 numbers.
    """

    seeded: int
    text: bytes


@dataclass(frozen=True)
class Head:
    """What the state of every Procgen game begins with.

    Args:
        game: name of the game.
        options: one record of ``layout.OPTIONS``.
        level_rng: picks the next level's seed.
        rng: seeded with the level at each reset.
        progress: one record of ``layout.PROGRESS``.
    """

    game: str
    options: np.ndarray
    level_rng: Generator
    rng: Generator
    progress: np.ndarray


@dataclass(frozen=True)
class State(Head):
    """Everything of one game; records are numpy arrays without axes, changed in place.

    Args:
        entities: (E,) records of ``layout.ENTITY``.
        motion: one record of ``layout.MOTION``.
        asset_rng: not used by drawn assets.
        view: one record of ``layout.VIEW``.
        grid: (height, width) int32 codes; row 0 is the bottom of the world.
        tail: one record of the game's own.
    """

    entities: np.ndarray
    motion: np.ndarray
    asset_rng: Generator
    view: np.ndarray
    grid: np.ndarray
    tail: np.ndarray

    def copy(self) -> "State":
        """A copy that shares no array."""
        copies: dict[str, Any] = {}
        for name, value in vars(self).items():
            copies[name] = value.copy() if isinstance(value, np.ndarray) else value
        return State(**copies)

    @property
    def player(self) -> int:
        """Row of the player in ``entities``: the engine takes the last one of type 0."""
        found = np.flatnonzero(self.entities["type"] == 0)
        if not found.size:
            raise BadState("the state has no player (no entity of type 0)")
        return int(found[-1])


class _Cursor:
    """Reads one value after another and refuses to read past the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def raw(self, length: int, what: str) -> bytes:
        if length < 0 or self.at + length > len(self.data):
            raise BadState(f"the state ends within its {what}")
        self.at += length
        return self.data[self.at - length : self.at]

    def integer(self, what: str) -> int:
        return int.from_bytes(self.raw(4, what), "little", signed=True)

    def table(self, dtype: np.dtype, count: int, what: str) -> np.ndarray:
        if count < 0:
            raise BadState(f"the state counts {count} {what}")
        return np.frombuffer(bytearray(self.raw(dtype.itemsize * count, what)), dtype)

    def one(self, dtype: np.dtype, what: str) -> np.ndarray:
        return self.table(dtype, 1, what).reshape(())

    def generator_follows(self, further: int) -> bool:
        """Whether a generator may stand some bytes further on; also where the bytes end before."""
        at = self.at + further
        head = self.data[at : at + 8]
        seeded, length = head[:4], int.from_bytes(head[4:], "little", signed=True)
        return len(head) < 8 or (seeded[1:] == bytes(3) and length in layout.GENERATOR_TEXT)

    def generator(self, what: str) -> Generator:
        seeded = self.integer(what)
        return Generator(seeded, self.raw(self.integer(what), what))


def game_of(data: bytes) -> str:
    """The game that a state is of.

    Raises:
        BadState: the bytes are cut short, or of another layout or game.
    """
    return _game(_Cursor(data))


def parse_head(data: bytes) -> Head:
    """Read what the states of all games have in common.

    Raises:
        BadState: the bytes are cut short, or of another layout or game.
    """
    return _head(_Cursor(data))


def parse(data: bytes) -> State:
    """Read the state of a CoinRun or Maze game.

    Args:
        data: what the engine's ``get_state`` gave.

    Raises:
        BadState: the bytes are cut short or too many, or of another layout or game.

    Cost: about 30 microseconds.
    """
    cursor = _Cursor(data)
    head = _head(cursor)
    if head.game not in layout.TAILS:
        raise BadState(f"states of '{head.game}' are not read; those of coinrun and maze are")
    size = cursor.integer("grid size")
    entities = cursor.table(layout.ENTITY, cursor.integer("entities"), "entities")
    motion = cursor.one(layout.MOTION, "motion")
    asset_rng = cursor.generator("asset generator")
    view = cursor.one(layout.VIEW, "view")
    width, height, count = (cursor.integer("grid") for _ in range(3))
    if width < 1 or height < 1 or not width * height == count == size:
        raise BadState(f"the grid is {width} x {height} and has {count} cells, {size} announced")
    grid = cursor.table(np.dtype("<i4"), count, "grid").reshape(height, width)
    tail = cursor.one(layout.TAILS[head.game], "tail")
    if cursor.raw(4, "end marker") != layout.END or cursor.at != len(data):
        raise BadState("the state does not end where its layout ends")
    return State(
        head.game, head.options, head.level_rng, head.rng, head.progress,
        entities, motion, asset_rng, view, grid, tail,
    )  # fmt: skip


def serialize(state: State) -> bytes:
    """Write a state as the engine does; the inverse of ``parse``, bit for bit.

    Cost: about 15 microseconds.
    """
    height, width = state.grid.shape
    name = state.game.encode()
    parts = [
        _integers(layout.VERSION, len(name)), name, state.options.tobytes(),
        _text(state.level_rng), _text(state.rng), state.progress.tobytes(),
        _integers(state.grid.size, len(state.entities)), state.entities.tobytes(),
        state.motion.tobytes(), _text(state.asset_rng), state.view.tobytes(),
        _integers(width, height, state.grid.size), state.grid.tobytes(),
        state.tail.tobytes(), layout.END,
    ]  # fmt: skip
    return b"".join(parts)


def with_level(data: bytes, level: int) -> bytes:
    """A state of any game whose next reset begins one given level.

    Raises:
        BadState: the bytes are of another layout or game.
        PolicyscopeError: the level is not one of 0..2147483646.
    """
    if not 0 <= level < 2**31 - 1:
        raise PolicyscopeError(f"level {level} is not one of 0..{2**31 - 2}")
    at = layout.LEVEL_SEEDS + len(game_of(data))
    return data[:at] + _integers(level, level + 1) + data[at + 8 :]


def _game(cursor: _Cursor) -> str:
    version = cursor.integer("version")
    if version != layout.VERSION:
        raise BadState(f"state layout {version} is not known; layout {layout.VERSION} is")
    raw = cursor.raw(cursor.integer("name"), "name")
    game = raw.decode("ascii", "replace")
    if game not in layout.GAMES:
        raise BadState(f"the state is of a game '{game[:20]}' that Procgen does not have")
    return game


def _head(cursor: _Cursor) -> Head:
    game = _game(cursor)
    options = cursor.one(layout.OPTIONS, "options")
    _require_layout(cursor)
    level_rng, rng = cursor.generator("level generator"), cursor.generator("generator")
    return Head(game, options, level_rng, rng, cursor.one(layout.PROGRESS, "progress"))


def _require_layout(cursor: _Cursor) -> None:
    """Refuse by name a layout that bears the same version and has other options."""
    if cursor.generator_follows(0):
        return
    if cursor.generator_follows(layout.AISC_OPTIONS):
        raise BadState(
            "the state is of procgenAISC's layout, which has more options; states of Procgen "
            "0.10.7 are read"
        )
    raise BadState("the state has other options than those of Procgen 0.10.7")


def _integers(*values: int) -> bytes:
    return np.array(values, "<i4").tobytes()


def _text(generator: Generator) -> bytes:
    return _integers(generator.seeded, len(generator.text)) + generator.text
