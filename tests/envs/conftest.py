"""What tests of Procgen share: an engine in the middle of many levels."""

import numpy as np
import pytest

SLOTS = 25
#: Games and modes whose states are parsed.
MODES = (
    ("coinrun", "easy"), ("coinrun", "hard"), ("maze", "easy"), ("maze", "hard"),
    ("maze", "memory"),
)  # fmt: skip


class Play:
    """Engine in play: a random policy that mostly goes right, on levels drawn from all."""

    def __init__(self, game, mode, seed=0, slots=SLOTS, **options):
        from policyscope.envs.procgen.engine import Engine
        from policyscope.envs.procgen.layout import LEVEL_SEEDS
        from policyscope.envs.procgen.options import engine_options
        from policyscope.envs.procgen.state import with_level

        self.random = np.random.default_rng(seed)
        self.slots, self.options = slots, engine_options({"mode": mode, **options})
        self.engine = Engine(game, slots, self.options)
        for slot in range(slots):
            data = with_level(self.engine.get_state(slot), int(self.random.integers(10**9)))
            self.engine.set_state(slot, data)
        self.engine.act(np.full(slots, -1, np.int32))
        at = LEVEL_SEEDS + len(game)
        for slot in range(slots):  # from here levels are drawn from all, as in training
            data = self.engine.get_state(slot)
            bounds = np.array([0, 2**31 - 1], "<i4").tobytes()
            self.engine.set_state(slot, data[:at] + bounds + data[at + 8 :])
        self.engine.observe()

    def actions(self):
        right = self.random.random(self.slots) < 0.5
        some = self.random.integers(0, 15, self.slots)
        return np.where(right, self.random.choice([7, 8], self.slots), some).astype(np.int32)

    def go(self, steps):
        """Play on; now and then a level is given up for another."""
        for _ in range(steps):
            given_up = self.random.random(self.slots) < 0.002
            self.engine.act(np.where(given_up, -1, self.actions()))
            self.engine.observe()

    def states(self):
        return [self.engine.get_state(slot) for slot in range(self.slots)]

    def meet(self, count, every=11):
        """States met in play, by rounds of one in each slot."""
        found = []
        while len(found) < count:
            self.go(int(self.random.integers(1, 2 * every)))
            found += self.states()
        return found[:count]


@pytest.fixture(params=MODES, ids=lambda mode: "-".join(mode))
def procgen(request):
    """A running engine, once for each game and mode that is parsed."""
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    play = Play(*request.param)
    yield play
    play.engine.close()


@pytest.fixture
def make_play():
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    return Play
