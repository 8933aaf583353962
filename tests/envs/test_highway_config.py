"""Settings of the intersection."""

import pytest
from highway_env.envs.intersection_env import IntersectionEnv

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.highway.config import ACTIONS, FEATURES, configuration, settings
from policyscope.envs.highway.lane import make_lane
from policyscope.envs.spec import EnvSpec


def test_defaults_are_the_studys():
    config = configuration({})
    assert config["observation"] == {
        "type": "Kinematics",
        "vehicles_count": 15,
        "features": list(FEATURES),
        "features_range": {"x": [-100, 100], "y": [-100, 100], "vx": [-20, 20], "vy": [-20, 20]},
        "absolute": True,
        "flatten": False,
        "order": "shuffled",
        "observe_intentions": True,
        "normalize": True,
        "clip": True,
        "see_behind": False,
        "include_obstacles": True,
    }
    stock = IntersectionEnv.default_config()
    assert {k for k in config if config[k] != stock.get(k)} == {"observation", "engine"}
    assert (config["destination"], config["duration"], config["spawn_probability"]) == (
        "o1",
        13,
        0.6,
    )
    assert make_lane(EnvSpec("highway/intersection")).space.actions == ACTIONS


def test_dotted_and_nested_settings_are_the_same():
    dotted = configuration(
        {"observation.vehicles_count": 10, "observation.features_range.x": [-50, 50]}
    )
    nested = configuration(
        {"observation": {"vehicles_count": 10, "features_range": {"x": [-50, 50]}}}
    )
    assert dotted == nested
    assert nested["observation"]["features_range"]["x"] == [-50, 50]


def test_settings_change_the_world():
    lane = make_lane(EnvSpec("highway/intersection", {"observation.vehicles_count": 6}))
    assert lane.space.obs_shape == (6, 7)
    few = make_lane(
        EnvSpec("highway/intersection", {"observation": {"features": ["presence", "x"]}})
    )
    assert few.space.features == ("presence", "x")


def test_configurations_share_nothing():
    features = ["presence", "x"]
    config = configuration({"observation.features": features})
    config["observation"]["features"].append("y")
    config["action"]["target_speeds"].append(99)
    assert features == ["presence", "x"]
    assert configuration({})["action"]["target_speeds"] == [0, 4.5, 9]


def test_every_default_is_accepted():
    valid = settings()
    assert configuration(valid) == configuration({})
    assert len(valid) > 20


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"observation.vehicle_count": 9}, UnknownName, "Did you mean observation.vehicles_count"),
        ({"spawn_probabilty": 0.2}, UnknownName, "spawn_probability"),
        ({"manual_control": True}, UnknownName, "unknown setting"),
        ({"engine": "quick"}, UnknownName, "fast, stock"),
        ({"destination": "o9"}, UnknownName, "o1, o2, o3"),
        ({"other_vehicles_type": "os.system"}, UnknownName, "IDMVehicle"),
        ({"observation.features": ["presence", "colour"]}, UnknownName, "colour"),
        ({"observation.features": ["x"]}, PolicyscopeError, "must begin with 'presence'"),
        ({"observation.features": []}, PolicyscopeError, "takes a list"),
        ({"duration": "long"}, PolicyscopeError, "takes a whole number like 13, not 'long'"),
        ({"duration": True}, PolicyscopeError, "takes a whole"),
        ({"spawn_probability": "high"}, PolicyscopeError, "takes a number"),
        ({"observation.vehicles_count": 1}, PolicyscopeError, "at least 2"),
        ({"action.target_speeds": [0, "fast"]}, PolicyscopeError, "takes a list"),
    ],
)
def test_wrong_setting_is_refused_in_one_line(options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        configuration(options)
    assert "\n" not in str(caught.value)
