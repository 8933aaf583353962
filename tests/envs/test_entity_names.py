"""Names of entities: one function tells them, wherever they are shown."""

import numpy as np
import pytest

from policyscope.envs.entities import Entities, entity_name, kind_name, scene_units
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.clips.places import Outline
from policyscope.recordings.replays.changes import change_text


@pytest.mark.parametrize(
    ("kind", "identity", "name", "together"),
    [
        ("ego", 0, "ego", "ego"),
        ("vehicle", 3, "vehicle 3", "vehicles"),
        ("coin", 17, "coin", "coin"),
        ("saw", 2, "saw 2", "saws"),
        ("wall", 10_004, "wall", "walls"),
        ("lava", 10_004, "lava", "lava"),
    ],
)
def test_an_entity_has_one_name(kind, identity, name, together):
    assert entity_name(kind, identity) == name
    assert kind_name(kind) == together
    assert Outline(kind, identity, np.zeros((4, 2))).name == name
    shown = Entities.from_rows([(identity, kind, -1, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0)])
    assert change_text(SceneEdit("remove", identity), shown) == f"remove {name}"


def test_places_have_the_unit_of_their_world():
    assert scene_units("procgen/maze") == ("tiles", "tiles/step")
    assert scene_units("highway/intersection") == ("m", "m/s")
    assert scene_units("gym:CartPole-v1") == ("", "")
