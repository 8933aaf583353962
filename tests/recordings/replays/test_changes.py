"""Changes written as text."""

import pytest

from policyscope.core.edits import Edit
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import Entities
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.replays.changes import change_text, read_change

SCENE = Entities.from_rows([
    (1, "coin", -1, 9.0, 2.0, 0.0, 0.0, 1.0, 1.0),
    (2, "saw", -1, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0),
    (0, "player", -1, 5.0, 5.0, 0.0, 0.0, 1.0, 1.0),
    (3, "saw", -1, 6.0, 5.0, 0.0, 0.0, 1.0, 1.0),
])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("remove saw", SceneEdit("remove", 3)),
        ("remove 2", SceneEdit("remove", 2)),
        ("  move player  x=4 y=7.5 ", SceneEdit("move", 0, {"x": 4.0, "y": 7.5})),
        ("add x=1 y=2 speed=3", SceneEdit("add", None, {"x": 1.0, "y": 2.0, "speed": 3.0})),
        ("reseed seed=4", SceneEdit("reseed", None, {"seed": 4.0})),
        ("zero trunk.relu0", Edit("zero", "trunk.relu0")),
        ("zero memory.state[17]", Edit("zero", "memory.state", (17,))),
        ("clamp a.b[1, 2]=-0.5", Edit("clamp", "a.b", (1, 2), -0.5)),
        ("add a.b[3]=1e-2", Edit("add", "a.b", (3,), 0.01)),
    ],
)
def test_what_is_written_is_meant(text, change):
    assert read_change(text, SCENE) == change


def test_without_one_who_acts_the_nearest_to_the_origin_is_meant():
    alone = Entities.from_rows([
        (4, "saw", -1, 3.0, 4.0, 0.0, 0.0, 1.0, 1.0),
        (5, "saw", -1, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0),
    ])  # fmt: skip
    assert read_change("remove saw", alone) == SceneEdit("remove", 5)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "cannot be read"),
        ("remove enemy", "there is no enemy at this step; there is coin, saw, player"),
        ("move 3 4 5", "cannot be read"),
        ("move 3 x=left", "'left' is no number"),
        ("zero", "names no site"),
        ("zero a[1]=2", "zero takes no number"),
        ("clamp a[1]", "clamp needs =NUMBER"),
        ("clamp a[b]=1", "names no site"),
        ("patch a", "patch takes an array; give it from Python"),
        ("mean a[1]", "mean takes an array"),
    ],
)
def test_what_cannot_be_read_is_told(text, cause):
    with pytest.raises(PolicyscopeError) as caught:
        read_change(text, SCENE)
    assert str(caught.value).startswith(f"edit '{text}': {cause}")
    assert "Valid: remove WHO" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("remove saw", "remove saw 3"),
        ("move coin x=4 y=7.5", "move coin to x 4 tiles, y 7.5 tiles"),
        ("move 2 x=-18.5963 y=0.00123456", "move saw 2 to x -18.6 tiles, y 0.00123 tiles"),
        ("move coin x=999.6 y=-1234.7", "move coin to x 1000 tiles, y -1235 tiles"),
        ("move coin x=123456.7 y=2.34567e20", "move coin to x 123457 tiles, y 2.35e+20 tiles"),
        ("remove 99", "remove 99"),
        ("add x=1 y=2 speed=3", "add at x 1 tiles, y 2 tiles, speed 3 tiles/step"),
        ("zero a.b[1,2]", "zero a.b[1,2]"),
        ("clamp a.b[1]=0.5", "clamp a.b[1] = 0.5"),
    ],
)
def test_a_change_in_words(text, told):
    assert change_text(read_change(text, SCENE), SCENE, "procgen/coinrun") == told
