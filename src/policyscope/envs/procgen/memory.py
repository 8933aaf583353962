"""What can move in all games at once, read where the engine keeps it.

A state costs more to write than a step: nine tenths of it are random generators written as text.
Where things stand was read from the library's own debug information (``ptype /o`` in gdb), so it
holds for one compiled file, known by its SHA-256, and is compared with states before it is used;
see docs/decisions/0007-entities-from-memory.md. Nothing is ever written.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.procgen import codes, layout
from policyscope.envs.procgen.engine import FORCE_RESET, Engine
from policyscope.envs.procgen.motion import LISTED, Moving, joined, moving_in, same
from policyscope.envs.procgen.state import parse, with_level

KNOWN = {"4ce4e3d8e4dcae5a112bfcd6f8ee910ab7a2183a1230f0cbec38502fb5e1b0e2"}
"""Libraries that the offsets below hold for: procgen-mirror 0.10.7, Linux x86-64."""

# Byte offsets in VecGame, Game, CoinRun and Entity.
_SLOTS, _GAMES = 72, 88
_SLOT, _ENTITIES, _FACES_RIGHT = 0x6C, 0x6830, 0x7CE9
_TYPE, _REFLECTED = 24, 56
_POINTER = 8
_SHARED = 16
"""Bytes of a shared pointer; its first half points to the object."""

_MOST_ENTITIES = 2_000
_CHECKED_LEVEL = 63
"""A level of CoinRun with a saw, an enemy and a crate in both modes."""
_CHECKED_ACTIONS = (7, 8, 7, 1, 5)
"""Right, so that an object of either game is mirrored, then left, so that it is not."""
_BASE = 1 << 12
"""Lowest address that a process may use; numpy has no array that begins at 0."""


class UnlikeMemory(PolicyscopeError):
    """The engine's memory is not laid out as expected, or cannot be known to be."""


class _Whole:
    """The process's addresses as one read-only array, of which only known places are read."""

    def __init__(self, kind: str) -> None:
        size = np.dtype(kind).itemsize
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "data": (_BASE, True),
            "typestr": np.dtype(kind).str,
            "shape": (((1 << 47) - _BASE) // size,),
        }


class EngineMemory:
    """The moving objects of an engine's games, by reading its memory.

    Args:
        engine: of CoinRun or Maze, no episode begun: it plays to compare with its states.

    Raises:
        UnlikeMemory: the library is not a known one, or memory and states differ.

    Cost: about 60 milliseconds for 64 games.
    """

    def __init__(self, engine: Engine) -> None:
        if engine.game not in layout.TAILS:
            raise UnlikeMemory(f"entities of {engine.game} are not read")
        if digest(engine.library) not in KNOWN:
            raise UnlikeMemory("the engine's library is not a known one")
        self._engine, self._listed = engine, LISTED[engine.game]
        self._bytes, self._integers, self._floats, self._words = (
            np.asarray(_Whole(kind)) for kind in ("u1", "<i4", "<f4", "<i8")
        )
        self._games = self._find_games()
        self._compare()

    def read(self, slots: np.ndarray) -> Moving:
        """What can move in some games.

        Args:
            slots: (G,) which games.

        Raises:
            UnlikeMemory: what is found cannot be; nothing else was read then.

        Cost: about 3 microseconds a game, for many games at once.
        """
        if not self._engine.address:
            raise UnlikeMemory("the engine is closed")
        self._engine.observe()  # waits for the engine's threads
        games = self._games[slots]
        counts, objects = self._objects(games)
        types = self._integers[(objects + (_TYPE - _BASE)) >> 2]
        if types.min() < 0 or types.max() >= len(self._listed):
            raise UnlikeMemory("an entity has a type that does not exist")
        numbers, rows = self._chosen(counts, types)
        objects = objects[rows]
        place = self._floats[((objects - _BASE) >> 2)[:, None] + np.arange(4)]
        reflected = self._bytes[objects + (_REFLECTED - _BASE)] != 0
        if self._engine.game == "maze":
            faces = reflected[np.cumsum(numbers) - numbers]
        else:
            faces = self._bytes[games + (_FACES_RIGHT - _BASE)] != 0
        return Moving(numbers, types[rows], np.ascontiguousarray(place.T), reflected, faces)

    def _find_games(self) -> np.ndarray:
        """(N,) addresses of the games, which stay where they are while the engine lives."""
        at, slots = self._engine.address, self._engine.slots
        begin, end = (int(self._words[(at + _GAMES + k - _BASE) >> 3]) for k in (0, _POINTER))
        count = int(self._integers[(at + _SLOTS - _BASE) >> 2])
        if count != slots or end - begin != _SHARED * slots or begin % _POINTER:
            raise UnlikeMemory("the engine's list of games is not where it should be")
        games = self._words[(begin - _BASE) // _POINTER + 2 * np.arange(slots)]
        if (games <= _BASE).any() or (games % _POINTER).any():
            raise UnlikeMemory("the engine's list of games holds none")
        if not np.array_equal(self._integers[(games + _SLOT - _BASE) >> 2], np.arange(slots)):
            raise UnlikeMemory("the engine's games are not in their order")
        return games

    def _objects(self, games: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many entities each game has, and the addresses of all."""
        vector = (games + (_ENTITIES - _BASE)) >> 3
        begin, bytes_of = self._words[vector], self._words[vector + 1]
        bytes_of -= begin
        counts = bytes_of // _SHARED
        sane = (begin > _BASE) & (begin % _POINTER == 0) & (bytes_of % _SHARED == 0)
        if not (sane & (counts >= 1) & (counts <= _MOST_ENTITIES)).all():
            raise UnlikeMemory("a game's list of entities cannot be one")
        before = np.cumsum(counts) - counts
        element = np.repeat(((begin - _BASE) >> 3) - 2 * before, counts)
        element += 2 * np.arange(len(element))
        objects = self._words[element]
        if objects.min() <= _BASE or (objects % _POINTER).any():
            raise UnlikeMemory("a game's list of entities holds none")
        return counts, objects

    def _chosen(self, counts: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many objects of each game are listed, and their rows, each player's first."""
        game = np.repeat(np.arange(len(counts)), counts)
        players = (types == codes.PLAYER).nonzero()[0]
        player = np.full(len(counts), -1)
        np.maximum.at(player, game[players], players)  # the engine takes the last one
        if player.min() < 0:
            raise UnlikeMemory("a game has no player")
        chosen = self._listed[types]
        chosen[player] = True
        rows = chosen.nonzero()[0]
        numbers = np.bincount(game[rows], minlength=len(counts))
        if not np.array_equal(rows[np.cumsum(numbers) - numbers], player):
            of = game[rows]
            rows = rows[np.lexsort((rows, rows != player[of], of))]
        return numbers, rows

    def _compare(self) -> None:
        """Refuse memory that says something else than the states do, now and after steps."""
        engine, slots = self._engine, np.arange(self._engine.slots)
        for slot in slots.tolist():
            engine.set_state(slot, with_level(engine.get_state(slot), _CHECKED_LEVEL + slot))
        for steps in ((FORCE_RESET,), _CHECKED_ACTIONS[:2], _CHECKED_ACTIONS[2:]):
            for action in steps:
                engine.act(np.full(len(slots), action, np.int32))
            states = [parse(engine.get_state(slot)) for slot in slots.tolist()]
            if not same(self.read(slots), joined([moving_in(state) for state in states])):
                raise UnlikeMemory("the engine's memory differs from its states")


def digest(library: Path) -> str:
    """SHA-256 of a file, worked out once while it stays the same."""
    about = library.stat()
    return _digest(library, about.st_mtime_ns, about.st_size)


@cache
def _digest(library: Path, _changed: int, _size: int) -> str:
    with library.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
