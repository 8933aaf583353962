"""The native Procgen engine: N games of one kind, stepped together, their states as bytes.

The engine ends the whole process at a state it cannot read, so nothing but bytes that
``states.require_writable`` let pass may reach ``set_state``.
"""

import atexit
import ctypes
import os
import weakref
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError

VERSION = "0.10.7"
SIZE = 64
LARGE = 512
FORCE_RESET = -1
"""The action that makes the engine begin its next level at once."""

_STATE_BYTES = 1 << 18
_FUNCTIONS = [
    "int get_state(libenv_env *, int, char *, int);",
    "void set_state(libenv_env *, int, char *, int);",
]


class MissingEngine(PolicyscopeError):
    """The Procgen engine is not installed, or has no wheel for this machine."""

    def __init__(self, cause: str = "is not installed"):
        super().__init__(
            f"procgen environments need an engine that {cause}; install it with: "
            f"pip install cffi imageio && pip install --no-deps procgen-mirror=={VERSION} "
            "gym3==0.3.3 (CPython 3.11 and 3.12)"
        )


def engine_folder() -> Path:
    """Folder of the engine's package, found without importing it.

    Raises:
        MissingEngine: it is not installed.
    """
    try:
        # Not by the name of the module, which a file of the user's may have too.
        folder = Path(str(distribution("procgen-mirror").locate_file("procgen")))
    except PackageNotFoundError:
        raise MissingEngine from None
    if not (folder / "data" / "prebuilt").is_dir():
        raise MissingEngine("was installed without its compiled library")
    return folder


class Engine:
    """N games in the native engine; ends of episodes are followed by a new level in the same step.

    Args:
        game: name of the game, e.g. coinrun.
        slots: N.
        options: the engine's own options by name, as ``options.engine_options`` gives them.
        large: also draw 512 x 512 pictures at every step; about a hundred times slower.
        threads: threads of the engine; 0 steps in the calling one.

    Raises:
        MissingEngine: it is not installed.

    Example:
        >>> from policyscope.envs.procgen.options import engine_options
        >>> engine = Engine("coinrun", 2, engine_options({}))
        >>> engine.observe()[0].shape
        (2, 64, 64, 3)
    """

    def __init__(
        self,
        game: str,
        slots: int,
        options: dict[str, Any],
        large: bool = False,
        threads: int = 0,
    ) -> None:
        folder = engine_folder()
        try:
            from gym3.libenv import CEnv
        except ImportError as error:
            raise MissingEngine(f"lacks the package '{error.name}'") from None
        self.game, self.slots, self.options, self.large = game, slots, dict(options), large
        self._env: Any = CEnv(
            num=slots,
            lib_dir=str(folder / "data" / "prebuilt"),
            options={
                **options,
                "env_name": game,
                "num_levels": 1,
                "start_level": 0,
                "num_actions": 15,
                "use_sequential_levels": False,
                "debug_mode": 0,
                "rand_seed": 0,
                "num_threads": threads,
                "render_human": large,
                "resource_root": str(folder / "data" / "assets") + os.sep,
            },
            c_func_defs=_FUNCTIONS,
            reuse_arrays=True,
        )
        # cffi makes a function under a lock when it is first asked for. A collector that closes a
        # dropped engine may run while another is made, under that lock, and would wait for ever.
        _ = self._env._c_lib.libenv_close
        _hold(self, self._env)
        # Holds the library for good: unloading it with its Qt ends the process, or never ends.
        ctypes.CDLL(self._env._lib_path)
        self._buffer = self._env._ffi.new(f"char[{_STATE_BYTES}]")
        self._actions = {"action": np.zeros(slots, np.int32)}

    @property
    def library(self) -> Path:
        """The compiled library that runs."""
        return Path(self._env._lib_path)

    @property
    def address(self) -> int:
        """Where the engine is in memory; 0 once it was closed."""
        return 0 if self._env.closed else int(self._env._ffi.cast("uintptr_t", self._env._c_env))

    def act(self, actions: np.ndarray) -> None:
        """Step all games.

        Args:
            actions: (N,) int32; -1 begins the next level.
        """
        self._actions["action"][:] = actions
        self._env.act(self._actions)

    def play(self, actions: Sequence[int]) -> bool:
        """Step an engine of one game several times; stops early where a step ends the episode.

        Returns:
            Whether one did.

        Cost: half of as many calls of ``act`` and ``observe`` where little is drawn.
        """
        given, first, act = self._env._ac["action"], self._env._first, self._env._c_lib.libenv_act
        engine = self._env._c_env
        for action in actions:
            given[0] = action
            act(engine)
            if first[0]:
                return True
        return False

    def observe(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the games show after the last ``act`` or ``set_state``.

        Returns:
            (N, 64, 64, 3) uint8 frames, (N,) float32 rewards, (N,) bool: the frame is the first
            of a new level. The arrays are overwritten by the next call.
        """
        reward, obs, first = self._env.observe()
        return obs["rgb"], reward, first

    def completed(self) -> np.ndarray:
        """(N,) bool: the level that ended last was solved."""
        return np.asarray(self._env._info["prev_level_complete"]) != 0

    def picture(self, slot: int) -> np.ndarray:
        """The large picture of one game, (512, 512, 3) uint8; needs ``large``."""
        self._env.observe()
        return np.asarray(self._env._info["rgb"][slot]).copy()

    def get_state(self, slot: int) -> bytes:
        """State of one game.

        Cost: about 40 microseconds and 40 kB.
        """
        length = self._env.call_c_func("get_state", slot, self._buffer, _STATE_BYTES)
        return bytes(self._env._ffi.buffer(self._buffer, length))

    def set_state(self, slot: int, state: bytes) -> None:
        """Put one game into a state that was found writable.

        Cost: about 130 microseconds; the game is drawn anew.
        """
        self._env.call_c_func("set_state", slot, state, len(state))

    def close(self) -> None:
        """Free the games."""
        self._env.close()


# A collector that finds a CEnv in a cycle takes its buffers apart in an order that ends the
# process. So each is held here, also when closed, until its Engine is gone, and those still here
# at the end of the process are never collected.
_HELD: dict[int, Any] = {}


def _hold(engine: Engine, env: Any) -> None:
    _HELD[id(env)] = env
    weakref.finalize(engine, _release, env).atexit = False


def _release(env: Any) -> None:
    env.close()
    _HELD.pop(id(env), None)


def _never_collect() -> None:
    for env in _HELD.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(env))


atexit.register(_never_collect)
