"""Names of entities: one function tells them, wherever they are shown."""

import json
from pathlib import Path

import numpy as np
import pytest

from policyscope.envs.entities import Entities, entity_name, kind_name, scene_units
from policyscope.envs.procgen.codes import CELLS, OBJECTS
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.clips.places import Outline
from policyscope.recordings.replays.changes import change_text

#: By kind: an identity, its name, that of all; the page's tests read them too.
NAMES = json.loads((Path(__file__).parent / "entity_names.json").read_text())


def test_every_kind_has_its_name():
    games = {kind for table in (CELLS, OBJECTS) for of in table.values() for kind in of.values()}
    assert set(NAMES) == {"ego", "vehicle"} | games


@pytest.mark.parametrize("kind", NAMES)
def test_an_entity_has_one_name(kind):
    identity, name, together = NAMES[kind]
    assert entity_name(kind, identity) == name
    assert kind_name(kind) == together
    assert Outline(kind, identity, np.zeros((4, 2))).name == name
    shown = Entities.from_rows([(identity, kind, -1, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0)])
    assert change_text(SceneEdit("remove", identity), shown) == f"remove {name}"


def test_several_are_named_by_the_end_of_the_word():
    words = ["box", "enemy", "key", "bus", "bench"]
    assert [kind_name(kind) for kind in words] == ["boxes", "enemies", "keys", "buses", "benches"]


def test_places_have_the_unit_of_their_world():
    assert scene_units("procgen/maze") == ("tiles", "tiles/step")
    assert scene_units("highway/intersection") == ("m", "m/s")
    assert scene_units("gym:CartPole-v1") == ("", "")
