"""Baselines by name: what they are, what figures say of them, and what cannot be one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from policyscope.attribution.asking.baselines import activations, baseline, blurred
from policyscope.attribution.asking.chosen import Chosen, choose
from policyscope.attribution.asking.score import Decisions
from policyscope.attribution.config import BASELINES, AttributionConfig, read_baseline, sigma
from policyscope.attribution.explain import attribute
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.read import open_recording
from policyscope.recordings.replays.scenes import scene_at

from .conftest import image_agent, images

HIDDEN = "output_layer.relus.0"


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A recording of the shipped intersection agent."""
    out = tmp_path_factory.mktemp("compared") / "rec"
    assert main(["record", "highway-ego-attention", "--episodes", "2", "--out", str(out)]) == 0
    return open_recording(out)


@pytest.fixture
def seen():
    """Frames that a small agent decided on."""
    decisions = Decisions(images(), None, torch.zeros(4, dtype=torch.long))
    return image_agent("clear_cnn"), Chosen(decisions, np.zeros(4, int), np.arange(4), None)


def test_zero_and_mean_are_what_their_names_say(seen):
    agent, chosen = seen
    at = activations(agent, chosen.decisions, ["preprocess", "3a.relu"])
    zero = baseline(None, agent, chosen, "zero", ["3a.relu"])
    assert not zero.at("3a.relu", at["3a.relu"]).any()
    assert zero.description == "zero"
    mean = baseline(None, agent, chosen, "mean", ["preprocess", "3a.relu"])
    assert mean.description == "mean of 4 decisions"
    for site, values in at.items():
        expected = values.double().mean(0).float()
        torch.testing.assert_close(mean.at(site, values)[3], expected)
    assert torch.equal(mean.rows(torch.tensor([2])).at("3a.relu", at["3a.relu"][:1]),
                       mean.values["3a.relu"])  # fmt: skip


def test_a_blur_is_scipys_in_each_channel_of_each_frame(seen):
    agent, chosen = seen
    found = baseline(None, agent, chosen, "blur:2")
    frames = activations(agent, chosen.decisions, ["preprocess"])["preprocess"]
    theirs = torch.from_numpy(gaussian_filter(frames.numpy().astype("float64"), (0, 0, 2, 2)))
    torch.testing.assert_close(found.values["preprocess"], theirs.float(), rtol=1e-5, atol=1e-6)
    assert found.description == "blurred with a standard deviation of 2 pixels"
    some = found.rows(torch.tensor([3, 1])).values["preprocess"]
    torch.testing.assert_close(some, theirs[[3, 1]].float(), rtol=1e-5, atol=1e-6)
    deeper = baseline(None, agent, chosen, "blur", ["3a.relu"])
    assert deeper.description == "blurred with a standard deviation of 3 places"
    torch.testing.assert_close(blurred(frames, 4.0, "preprocess").mean((2, 3)), frames.mean((2, 3)))
    with pytest.raises(PolicyscopeError, match=r"site 'fc' has shape \(2,\)"):
        blurred(torch.zeros(3, 2), 1.0, "fc")


def test_another_step_is_what_the_site_put_out_there(road):
    chosen = choose(road, road.agent, 1)
    found = baseline(road, road.agent, chosen, "row:0:3", [HIDDEN])
    recorded = road.episode(0)["obs"].values[3:4]
    there = Decisions(torch.from_numpy(recorded))
    expected = activations(road.agent, there, [HIDDEN])[HIDDEN]
    torch.testing.assert_close(found.values[HIDDEN], expected)
    assert found.description == "step 3 of episode 0"
    with pytest.raises(PolicyscopeError, match="no step 999"):
        baseline(road, road.agent, chosen, "row:0:999")


def test_a_scene_without_a_vehicle_changes_its_row_alone_and_only_where_it_is(road):
    chosen = choose(road, road.agent)
    who = 2
    found = baseline(road, road.agent, chosen, f"removed:{who}")
    obs, without = chosen.decisions.obs, found.there.obs
    shown = (chosen.identity == who).any(1)
    assert shown.any()
    same = (obs == without).flatten(1).all(1).numpy()
    assert found.unchanged == same.sum()
    assert (same[~shown]).mean() > 0.9  # one more can come into sight where 15 rows are not full
    assert f"the scene without vehicle {who}" in found.description
    for row in np.flatnonzero(shown):
        slot = int(np.flatnonzero(chosen.identity[row] == who)[0])
        assert not without[row, slot].any()
        others = (chosen.identity[row] >= 0) & (np.arange(obs.shape[1]) != slot)
        torch.testing.assert_close(without[row, others], obs[row, others])
    with scene_at(road, int(chosen.episode[0]), int(chosen.step[0])) as scene:
        there = [i for i in scene.lane.entities().identity.tolist() if i > 0]
        alone = scene.changed([SceneEdit("remove", i) for i in there])
    nobody = baseline(road, road.agent, chosen, "removed:vehicle")
    np.testing.assert_array_equal(nobody.there.obs[0].numpy(), alone)
    for row, obs in enumerate(nobody.there.obs):  # who has just left the road is still seen
        with scene_at(road, int(chosen.episode[row]), int(chosen.step[row])) as scene:
            able = [i for i in range(1, 30) if scene.observe([SceneEdit("remove", i)]) is not None]
        stays = ~np.isin(chosen.identity[row], able)
        assert not obs[~stays].any()
        assert torch.equal(obs[stays], chosen.decisions.obs[row, stays])


def test_where_it_is_not_there_nothing_is_accounted_for(road):
    config = AttributionConfig(
        target="q[FASTER]", baseline="removed:2", trust=False, initialisations=0
    )
    result = attribute(road, config)
    data = result.data
    absent = ~(data["identity"].values == 2).any(1)
    values = np.abs(data["attribution"].values).sum((1, 2))
    still = absent & (data["change"].values == 0)
    assert still.sum() >= 0.9 * absent.sum() > 0
    assert (values[still] == 0).all()
    assert (values[~absent] > 0).all()
    assert "the scene without vehicle 2" in data.attrs["baseline"]
    assert (
        f"{int((values == 0).sum())} of {data.sizes['row']} decisions stay"
        in (data.attrs["baseline"])
    )


def test_an_untrained_agent_has_a_baseline_of_its_own(road):
    chosen = choose(road, road.agent, 0)
    other = road.agent.with_weights(road.agent.initial)
    for name in ("mean", "row:0:3", "removed:vehicle"):
        trained = baseline(road, road.agent, chosen, name, [HIDDEN])
        theirs = trained.of(other, chosen.decisions, chosen.decisions)
        direct = baseline(road, other, chosen, name, [HIDDEN])
        torch.testing.assert_close(theirs.values[HIDDEN], direct.values[HIDDEN])
        assert (theirs.values[HIDDEN] - trained.values[HIDDEN]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "name", ["zeros", "row", "row:1", "row:x:2", "row:1:-1", "blurred:2", "removed:", "mean:3"]
)
def test_what_is_no_baseline_lists_those_there_are(name):
    with pytest.raises(UnknownName) as caught:
        AttributionConfig(baseline=name)
    assert all(one in str(caught.value) for one in BASELINES)


def test_what_a_baseline_cannot_be_is_told(road):
    for name in ("blur:0", "blur:-1", "blur:1e999", "blur:e"):
        with pytest.raises(PolicyscopeError, match="standard deviation above 0"):
            AttributionConfig(baseline=name)
    assert (sigma("blur"), sigma("blur:1.5")) == (3.0, 1.5)
    assert read_baseline("removed:saw:1") == ("removed", ("saw:1",))
    chosen = choose(road, road.agent, 0, 0)
    for name, told in (
        ("removed:0", "the ego"), ("removed:99", "nobody of identity 99"),
        ("removed:saw", "unknown kind of entity 'saw'"),
    ):  # fmt: skip
        with pytest.raises(PolicyscopeError, match=told):
            baseline(road, road.agent, chosen, name)
    with pytest.raises(PolicyscopeError, match="begin at zero"):
        replace(AttributionConfig(method="curved"), baseline="mean")


def test_a_baseline_that_is_the_decision_itself_is_refused(road, capsys):
    """Nothing would change, and every sum would be complete."""
    for flags, told in (
        (["--attribution.baseline", "mean"], "the mean of a single decision is the decision"),
        (["--attribution.baseline", "removed:99"], "nobody of identity 99"),
    ):
        assert main(["explain", f"{road.path}:0:3", "--method", "occlusion", *flags]) == 2
        assert told in capsys.readouterr().err
    same = attribute(
        road, AttributionConfig(baseline="row:0:3", trust=False, initialisations=0), 0, 3
    )
    assert not same.checks
    assert "the same at the baseline" in same.unchecked
    with pytest.raises(PolicyscopeError, match="a step belongs to an episode"):
        attribute(road, AttributionConfig(trust=False), step=3)


def test_methods_of_whole_recordings_say_so(road, capsys):
    assert main(["explain", f"{road.path}:0:3"]) == 2
    assert "the method attention explains a whole recording" in capsys.readouterr().err
