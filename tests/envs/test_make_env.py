"""Environments by name, and the seeds they may be given."""

from importlib.metadata import version

import pytest

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.make import make_lane, parse_env, versioned
from policyscope.envs.seeds import EVALUATION_SEEDS, require_evaluation_seeds, training_seed
from policyscope.envs.spec import EnvSpec


def test_flags_become_a_spec():
    settings = ["duration=20", "destination=o3", "observation.features_range.x=[-50, 50]", "a=b=c"]
    spec = parse_env("highway/intersection", settings)
    assert spec.id == "highway/intersection"
    assert spec.options == {
        "duration": 20,
        "destination": "o3",
        "observation.features_range.x": [-50, 50],
        "a": "b=c",
    }
    installed = {name: version(name) for name in ("highway-env", "gymnasium")}
    assert spec.versions == installed
    assert parse_env("gym:CartPole-v1").versions == {"gymnasium": version("gymnasium")}


def test_versions_of_a_read_spec_are_kept():
    spec = EnvSpec("highway/intersection", versions={"highway-env": "1.0"})
    assert versioned(spec) == spec


@pytest.mark.parametrize(
    ("text", "settings", "kind", "message"),
    [
        ("highway/intersecton", [], UnknownName, "Did you mean highway/intersection"),
        ("CartPole-v1", [], UnknownName, "gym:ID"),
        ("highway/intersection", ["duration"], PolicyscopeError, "key=value"),
        ("highway/intersection", ["=3"], PolicyscopeError, "key=value"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(text, settings, kind, message):
    with pytest.raises(kind, match=message) as caught:
        parse_env(text, settings)
    assert "\n" not in str(caught.value)


def test_unknown_environment_is_refused_when_made():
    with pytest.raises(UnknownName, match="highway/intersection"):
        make_lane(EnvSpec("highway/roundabout"))


def test_training_never_sees_an_evaluation_seed():
    seeds = [training_seed(run, k) for run in (0, 1, 7) for k in (0, 1, 500, 999_999)]
    assert min(seeds) >= EVALUATION_SEEDS == 10_000
    assert len(set(seeds)) == len(seeds)
    for run, k in ((-1, 0), (0, -1), (0, 1_000_000)):
        with pytest.raises(PolicyscopeError, match="training seeds need"):
            training_seed(run, k)


def test_evaluation_keeps_to_its_own_seeds():
    require_evaluation_seeds(0, EVALUATION_SEEDS)
    for first, count in ((-1, 5), (9_999, 2), (10_000, 1)):
        with pytest.raises(PolicyscopeError, match="evaluation seeds are 0..9999"):
            require_evaluation_seeds(first, count)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("mode=nope", "unknown procgen mode"), ("mode=memory", "mode of procgen/coinrun"),
     ("colour=red", "option of a procgen environment")],
)  # fmt: skip
def test_settings_that_a_game_does_not_have_are_refused_when_they_are_read(setting, message):
    with pytest.raises(UnknownName, match=message):
        parse_env("procgen/coinrun", [setting])
