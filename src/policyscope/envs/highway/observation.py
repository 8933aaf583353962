"""What an observation of highway-env shows: which vehicle stands in which row."""

from typing import Any

import numpy as np


class Watch:
    """Highway-env's own observation, which also remembers what it last showed.

    The observation and its random draws stay those of the wrapped object. Vehicles are
    shuffled by highway-env, so the rows are found by running the same shuffle again from the
    generator's state before it.

    Args:
        env: a highway-env environment whose ``observation_type`` is to be wrapped.
    """

    def __init__(self, env: Any) -> None:
        self.env = env
        self.inner = env.observation_type
        self.before: dict[str, Any] = {}
        self.seen: list[Any] = []
        self.candidates: list[Any] = []

    def space(self) -> Any:
        """The wrapped observation's space."""
        return self.inner.space()

    def observe(self) -> np.ndarray:
        """Observe, and remember the vehicles shown and the generator's state before."""
        road = self.env.road
        if not road:
            return self.inner.observe()
        self.before = self.env.np_random.bit_generator.state
        self.seen = list(road.vehicles)
        ask = road.close_objects_to

        def remember(*args: Any, **kwargs: Any) -> list[Any]:
            self.candidates = ask(*args, **kwargs)
            return self.candidates

        road.close_objects_to = remember
        try:
            return self.inner.observe()
        finally:
            del road.close_objects_to

    def observe_again(self, added: list[Any], removed: list[Any]) -> np.ndarray:
        """Repeat the last observation after an edit, with its random draws and using none.

        Highway-env clears and spawns vehicles right after it observes. Those stay shown, and
        hidden, as they were, so that an edit without effect leaves the observation as it is.

        Args:
            added: vehicles the edit put on the road.
            removed: vehicles the edit took from it.
        """
        generator, road = self.env.np_random.bit_generator, self.env.road
        now, on_road = generator.state, road.vehicles
        generator.state = self.before
        road.vehicles = [v for v in self.seen if v not in removed] + added
        try:
            return self.observe()
        finally:
            generator.state, road.vehicles = now, on_road

    def rows(self) -> list[Any]:
        """The vehicle shown by each row of the last observation, None where none is."""
        others = self.inner.vehicles_count - 1
        shown: list[Any] = [*self.candidates, *[None] * (others - len(self.candidates))]
        order = np.repeat(np.arange(others, dtype=float)[:, None], len(self.inner.features), axis=1)
        if self.inner.order == "shuffled":
            generator = np.random.Generator(np.random.PCG64())
            generator.bit_generator.state = self.before
            generator.shuffle(order)
        return [self.env.vehicle, *(shown[int(k)] for k in order[:, 0])]


def watch(env: Any) -> None:
    """Let an environment's observations be watched, and make its action space deterministic.

    Args:
        env: a highway-env environment, changed in place.
    """
    define_stock_spaces = env.define_spaces

    def define_spaces() -> None:
        define_stock_spaces()
        env.observation_type = Watch(env)
        env.action_space.seed(0)  # reset samples an action for its info

    env.define_spaces = define_spaces
    define_spaces()
