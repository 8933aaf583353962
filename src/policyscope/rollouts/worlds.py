"""The worlds of an evaluation, made once and used by one shard after the other."""

from typing import Any

from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Stepper


class Worlds:
    """Worlds of one environment, kept open between the shards that one process runs.

    Making a Procgen engine takes as long as playing a few episodes. Those of Gymnasium are made
    anew each time: nobody knows what such a world carries from one episode to the next, and a shard
    must not depend on the shards before it.

    Args:
        env: which environment.

    Example:
        >>> worlds = Worlds(EnvSpec("highway/intersection"))
        >>> worlds.open(2) is worlds.open(2)
        True
        >>> worlds.close()
    """

    def __init__(self, env: EnvSpec) -> None:
        self.env = env
        self._stepper: Stepper | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"env": self.env, "_stepper": None}  # each process makes its own

    def open(self, lanes: int) -> Stepper:
        """A stepper of so many lanes; the one before is closed if it does not do.

        Raises:
            PolicyscopeError: as ``make``.
        """
        known = self._stepper
        if known is None or known.lanes != lanes or self.env.id.startswith("gym:"):
            self.close()
            self._stepper = known = make(self.env, lanes)
        return known

    def close(self) -> None:
        """Free the worlds."""
        stepper, self._stepper = self._stepper, None
        if stepper is not None:
            stepper.close()
