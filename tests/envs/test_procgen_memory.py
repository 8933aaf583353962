"""Entities read from the engine's memory: the same tables, or none from there."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import Entities, ManyEntities
from policyscope.envs.make import make
from policyscope.envs.procgen import memory
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.motion import moving_in, same
from policyscope.envs.procgen.objects import scenery, table
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.envs.steppers import LocalStepper

LANES = 4
KINDS = [(game, mode) for game in ("coinrun", "maze") for mode in ("easy", "hard")]

pytestmark = pytest.mark.skipif(
    memory.digest(Engine("maze", 1, engine_options({})).library) not in memory.KNOWN,
    reason="this machine's engine library is not one whose memory is read",
)


def differences(one: Entities, other: Entities) -> list[str]:
    """Columns that are not the same, bit for bit where they are numbers."""
    pairs = ((name, a, other.columns()[name]) for name, a in one.columns().items())
    return [
        name
        for name, a, b in pairs
        if a.dtype != b.dtype
        or (a.tolist() != b.tolist() if a.dtype == object else a.tobytes() != b.tobytes())
    ]


class Play:
    """A stepper in play by a random policy, with restores and scene edits now and then."""

    def __init__(self, game, mode, **options):
        self.stepper = make(EnvSpec(f"procgen/{game}", {"mode": mode, **options}), LANES)
        self.random, self.taken, self.sceneries = np.random.default_rng(4), [], {}
        self.edits = self.restored = self.ended = 0
        self.stepper.start([Start(level=k) for k in range(LANES)])

    def go(self, t):
        self._edit()
        if t % 40 == 7:
            self.taken.append(self.stepper.call(t % LANES, "snapshot"))
        right = self.random.random(LANES) < 0.45
        actions = np.where(
            right, self.random.choice([7, 8], LANES), self.random.integers(0, 15, LANES)
        )
        step = self.stepper.step(actions.tolist())
        starts = [None] * LANES
        for i in np.flatnonzero(step.terminated | step.truncated).tolist():
            self.ended += 1
            starts[i] = Start(level=100 + self.ended)
        if t % 90 == 80:
            snapshot = self.taken[self.random.integers(len(self.taken))]
            starts[self.random.integers(LANES)] = Start(snapshot=snapshot)
            self.restored += 1
        if any(starts):
            self.stepper.start(starts)

    def _edit(self):
        if self.random.random() > 0.2:
            return
        lane = int(self.random.integers(LANES))
        shown = self.stepper.call(lane, "entities")
        identity = int(self.random.choice(shown.identity[shown.identity < 10_000]))
        x, y = (float(self.random.uniform(1, 14)) for _ in range(2))
        kind = "move" if self.random.random() < 0.7 else "remove"
        values = {"x": x, "y": 64 - y if shown.y.max() > 31 else y} if kind == "move" else {}
        try:
            self.stepper.call(lane, "apply", SceneEdit(kind, identity, values))
        except PolicyscopeError:  # there is a wall, or nothing left to remove
            return
        self.edits += 1

    def made_anew(self, lane):
        """The table of a lane, from the bytes of its state and nothing kept from before."""
        state = self.stepper.state(lane)
        cells = state.grid.tobytes()
        if cells not in self.sceneries:
            self.sceneries[cells] = scenery(state)
        return table(state, self.stepper._episodes[lane].identities, self.sceneries[cells])


def tables_agree(play, steps):
    for t in range(steps):
        play.go(t)
        assert play.stepper.entity_path == "memory"
        found = play.stepper.entities_of(range(LANES))
        for lane, shown in enumerate(found):
            assert differences(shown, play.made_anew(lane)) == []
        lane = t % LANES
        assert differences(play.stepper.call(lane, "entities"), found[lane]) == []


@pytest.mark.parametrize(("game", "mode"), KINDS)
def test_tables_from_memory_are_those_from_states(game, mode):
    play = Play(game, mode)
    tables_agree(play, 250)
    assert min(play.edits, play.restored) > 1


@pytest.mark.slow  # 10 s for each game and mode
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("game", "mode"), KINDS)
def test_tables_of_two_thousand_steps_from_memory_are_those_from_states(game, mode):
    play = Play(game, mode)
    tables_agree(play, 2000)
    assert min(play.edits, play.restored, play.ended) > 10


def test_tables_are_the_same_while_the_engine_has_threads():
    play = Play("coinrun", "hard", threads=2)
    tables_agree(play, 60)


def test_tables_after_the_end_show_the_last_moment():
    stepper = make(EnvSpec("procgen/coinrun"), LANES)
    stepper.start([Start(level=k) for k in range(LANES)])
    ended = np.zeros(LANES, bool)
    for t in range(150):
        before = stepper.entities_of(range(LANES))
        step = stepper.step([7 + t % 2] * LANES)
        ended |= step.terminated | step.truncated
        for lane in np.flatnonzero(step.terminated | step.truncated).tolist():
            assert differences(stepper.entities_of([lane])[0], before[lane]) == []
    assert ended.any()


def test_a_table_stays_as_it_was_when_the_game_goes_on():
    play = Play("coinrun", "hard")
    first = play.stepper.entities_of(range(LANES))
    copies = [{k: v.copy() for k, v in shown.columns().items()} for shown in first]
    for t in range(20):
        play.go(t)
        play.stepper.entities_of(range(LANES))
    for shown, copied in zip(first, copies, strict=True):
        assert all(np.array_equal(v, copied[k]) for k, v in shown.columns().items())


def test_lanes_are_told_in_the_order_asked_for_and_unknown_ones_refused():
    play = Play("maze", "easy")
    one, other = play.stepper.entities_of([2, 0])
    assert differences(one, play.made_anew(2)) == differences(other, play.made_anew(0)) == []
    assert play.stepper.entities_of([]) == []
    with pytest.raises(PolicyscopeError, match="lane 9 is not one of 0..3"):
        play.stepper.entities_of([9])


def test_steppers_that_tell_all_at_once_are_known_by_their_method():
    stepper = make(EnvSpec("procgen/maze"), 2)
    assert isinstance(stepper, ManyEntities)
    assert not isinstance(LocalStepper.__new__(LocalStepper), ManyEntities)
    assert [len(t) for t in stepper.entities_of([0, 1])] == [0, 0], "no episode, no objects"
    jumper = make(EnvSpec("procgen/jumper"), 1)
    jumper.start([Start(level=1)])
    assert jumper.entity_path == "states: entities of jumper are not read"
    assert len(jumper.entities_of([0])[0]) == 0


def states_only(monkeypatch, cause, game="coinrun"):
    """A stepper without memory for a cause, whose tables are those of one with it."""
    play, other = Play(game, "hard"), None
    with monkeypatch.context() as patch:
        cause(patch)
        other = Play(game, "hard")
        assert other.stepper.entity_path.startswith("states: ")
    for t in range(30):
        play.go(t)
        other.go(t)
        pairs = zip(*(p.stepper.entities_of(range(LANES)) for p in (play, other)), strict=True)
        assert all(differences(a, b) == [] for a, b in pairs)
    return other.stepper.entity_path


def test_memory_of_an_unknown_library_is_not_read(monkeypatch):
    def unknown(patch):
        patch.setattr(memory, "KNOWN", {"0" * 64})
        patch.setattr(memory, "_Whole", None)  # would fail if it were asked for

    path = states_only(monkeypatch, unknown)
    assert path == "states: the engine's library is not a known one"


WRONG = [
    ("coinrun", "_TYPE", 28),  # image_type
    ("coinrun", "_TYPE", 36),  # render_z
    ("coinrun", "_REFLECTED", 40),  # will_erase
    ("maze", "_REFLECTED", 40),
    ("coinrun", "_FACES_RIGHT", memory._FACES_RIGHT + 1),  # is_on_crate
    ("coinrun", "_FACES_RIGHT", memory._FACES_RIGHT - 1),  # has_support
    ("coinrun", "_SLOTS", 76),  # num_joint_games
    ("coinrun", "_SLOT", memory._SLOT - 4),  # game_type
    ("coinrun", "_MOST_ENTITIES", 0),
]


@pytest.mark.parametrize(("game", "name", "value"), WRONG)
def test_wrong_place_is_noticed_before_it_is_used(game, name, value, monkeypatch):
    path = states_only(monkeypatch, lambda patch: patch.setattr(memory, name, value), game)
    assert "\n" not in path


@pytest.mark.parametrize("at", ["later", "first"])
def test_memory_that_comes_to_differ_is_left_for_good(at, monkeypatch):
    """At the first table of an episode values are compared; at others only what can be."""
    play = Play("coinrun", "hard")
    if at == "later":
        play.stepper.entities_of(range(LANES))
    read = memory.EngineMemory.read

    def fewer(self, slots):
        found = read(self, slots)
        return replace(found, counts=found.counts + (1 if at == "later" else 0), place=-found.place)

    monkeypatch.setattr(memory.EngineMemory, "read", fewer)
    for _ in range(2):
        found = play.stepper.entities_of(range(LANES))
        assert play.stepper.entity_path.startswith("states: ")
        assert all(differences(f, play.made_anew(i)) == [] for i, f in enumerate(found))
        monkeypatch.setattr(memory.EngineMemory, "read", None)  # not asked a second time


def test_lists_that_cannot_be_are_refused_before_their_objects_are_read():
    engine = Engine("coinrun", 2, engine_options({}))
    reader = memory.EngineMemory(engine)
    good = reader.read(np.arange(2))
    assert same(reader.read(np.arange(2)), good)
    blank = np.zeros(1 << 16, np.int64)  # a game whose lists are all null
    reader._games = np.array([blank.ctypes.data, reader._games[1]])
    with pytest.raises(memory.UnlikeMemory, match="cannot be one"):
        reader.read(np.arange(2))
    vector = memory._ENTITIES // 8
    blank[vector : vector + 2] = blank.ctypes.data, blank.ctypes.data + 32  # of two null pointers
    with pytest.raises(memory.UnlikeMemory, match="holds none"):
        reader.read(np.arange(2))


CLOSED = """
from policyscope.envs.make import make
from policyscope.envs.procgen import memory
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
import numpy as np
stepper = make(EnvSpec("procgen/coinrun"), 2)
stepper.start([Start(level=1), Start(level=2)])
stepper.entities_of([0, 1])
stepper.close()
assert [len(t) for t in stepper.entities_of([0, 1])] == [0, 0]
engine = Engine("coinrun", 2, engine_options({}))
reader = memory.EngineMemory(engine)
engine.close()
try:
    reader.read(np.arange(2))
except memory.UnlikeMemory as error:
    print(error)
"""


def test_memory_of_a_closed_engine_is_not_read():
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the engine is closed\n"


def test_values_compared_are_all_that_tables_are_made_of(make_play):
    """The comparison of memory with states sees every value change."""
    play = make_play("coinrun", "hard")
    play.go(20)
    found = moving_in(memory.parse(play.engine.get_state(3)))
    assert same(found, replace(found))
    changes = {
        "counts": found.counts + 1,
        "type": found.type + 1,
        "place": np.nextafter(found.place, np.float32(99)),
        "reflected": ~found.reflected,
        "faces_right": ~found.faces_right,
    }
    for name, value in changes.items():
        assert not same(found, replace(found, **{name: value})), name
