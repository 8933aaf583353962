"""Changed steps: the recorded row where nothing changes, a fresh world where something does."""

import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.memory import from_flat_row
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.core.registry import register
from policyscope.envs.make import make_lane, versioned
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.record import record
from policyscope.recordings.replays.replay import Course
from policyscope.recordings.replays.whatif import ask, sites_of_targets
from policyscope.recordings.replays.worlds import NEAR, Newest, World, Worlds

EDIT = SceneEdit("speed", 1, {"speed": 1.0})


class Remembering(nn.Module):
    """A policy with memory, for CartPole."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.cell, self.predict = nn.GRUCell(4, 6), nn.Linear(6, 2)

    def initial_state(self, rows: int) -> torch.Tensor:
        return torch.zeros(rows, 6)

    def forward(self, x, state):
        state = self.cell(x, state)
        return {"logits": self.predict(state)}, state


def cartpole(tmp_path, recurrent: bool) -> Recording:
    torch.manual_seed(0)
    register("network", "remembering", f"{__name__}:Remembering")
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    space = make_lane(spec).space
    net = Remembering() if recurrent else MLPNetwork(4, (8,), 2)
    arguments = {"features": 4, "widths": [8], "actions": 2}
    network = ("remembering", {}) if recurrent else ("mlp", arguments)
    agent = Agent(net, network, "categorical", space, "sample", env=spec)
    return record(agent, None, 4, 0, None, tmp_path / "rec")


def test_the_recorded_most_likely_action_is_told_beside_a_drawn_one(tmp_path):
    recording = cartpole(tmp_path, False)
    data = recording.episode(0)
    drawn = data["action"].values != data["logits"].values.argmax(-1)
    step = int(np.flatnonzero(drawn)[0])
    found = ask(recording, 0, step)
    assert found.recorded_best == data["logits"].values[step].argmax() != found.recorded.action
    assert found.recorded_best == found.changed.action


def fresh(recording: Recording, episode: int, step: int, edits):
    """A world of its own, replayed and edited by hand: its observation and entities."""
    data = recording.episode(episode)
    lane = make_lane(recording.env)
    obs = lane.start(Start(seed=data.attrs["seed"]))
    for action in data["action"].values[:step]:
        obs = lane.step(action).obs
    for edit in edits:
        obs = lane.apply(edit)
    return np.array(obs), lane.entities()


@pytest.mark.parametrize("width", [8, 3])
def test_without_a_change_the_answer_is_the_recorded_row(recording, agent, tmp_path, width):
    recording.plan = type(recording.plan)(**{**vars(recording.plan), "lanes": width})
    worlds = Worlds()
    for episode in (0, 4, 9):
        data = recording.episode(episode)
        for step in range(data.sizes["step"]):
            found = ask(recording, episode, step, worlds=worlds)
            row = data.isel(step=step)
            same = np.testing.assert_array_equal
            if width != 8:  # another batch may take another kernel

                def same(a, b):
                    np.testing.assert_allclose(a, b, atol=1e-5)

            same(found.changed.outputs["q"], row["q"])
            for site in recording.sites:
                same(found.changed.sites[site], row[f"sites/{site}"])
            np.testing.assert_array_equal(found.changed.observation, row["obs"])
            np.testing.assert_array_equal(found.changed.identity, row["row_identity"])
            assert found.changed.action == found.recorded.action == row["action"]


def test_a_scene_edit_is_that_of_a_fresh_world(recording):
    worlds, step = Worlds(), 3
    cases = [
        [EDIT],
        [SceneEdit("move", 0, {"x": 3.0, "y": 20.0}), EDIT],
        [SceneEdit("remove", 1), SceneEdit("add", None, {"x": 2.0, "y": 30.0, "speed": 5.0})],
    ]
    for edits in [*cases, cases[0]]:
        found = ask(recording, 2, step, edits, worlds=worlds)
        obs, entities = fresh(recording, 2, step, edits)
        np.testing.assert_array_equal(found.changed.observation, obs)
        for name, column in entities.columns().items():
            np.testing.assert_array_equal(getattr(found.changed.entities, name), column)
        shown = {int(i): r for r, i in enumerate(found.changed.identity) if i >= 0}
        assert shown == {
            int(i): int(r) for i, r in zip(entities.identity, entities.row, strict=True) if r >= 0
        }
        with torch.no_grad():
            q = recording.agent.act(np.repeat(obs[None], 8, 0)).outputs["q"][0].numpy()
        np.testing.assert_array_equal(found.changed.outputs["q"], q)
        assert not np.array_equal(q, found.recorded.outputs["q"])
        np.testing.assert_array_equal(found.recorded.observation, fresh(recording, 2, step, [])[0])


def test_the_order_of_edits_and_of_steps_asked_does_not_matter_to_others(recording):
    worlds = Worlds()
    alone = {t: ask(recording, 3, t, [EDIT]).changed.observation for t in (0, 2, 4)}
    for t in (4, 0, 2, 4, 0):
        again = ask(recording, 3, t, [EDIT], worlds=worlds).changed.observation
        np.testing.assert_array_equal(again, alone[t])


def test_numbers_of_the_observation_are_set_after_the_scene(recording):
    change = {(3, 1): 0.25, (0, 0): 0.5}
    found = ask(recording, 1, 2, [EDIT], change)
    obs, _ = fresh(recording, 1, 2, [EDIT])
    obs[3, 1], obs[0, 0] = 0.25, 0.5
    np.testing.assert_array_equal(found.changed.observation, obs)
    np.testing.assert_array_equal(found.recorded.observation, recording.episode(1)["obs"][2])
    with torch.no_grad():
        q = recording.agent.act(np.repeat(obs[None], 8, 0)).outputs["q"][0].numpy()
    np.testing.assert_array_equal(found.changed.outputs["q"], q)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (SceneEdit("speed", 99, {"speed": 1.0}), "no vehicle 99"),
        (SceneEdit("remove", 0), "ego"),
        (SceneEdit("shrink", 1), "unknown kind of scene edit 'shrink'"),
        (SceneEdit("speed", 1, {"speed": float("nan")}), "finite"),
        (SceneEdit("move", 1, {"x": 1.0}), "missing: y"),
    ],
)
def test_a_refused_edit_leaves_the_world_as_it_was(recording, edit, message):
    worlds = Worlds()
    before = ask(recording, 2, 3, [EDIT], worlds=worlds).changed.observation
    with pytest.raises(PolicyscopeError, match=message) as caught:
        ask(recording, 2, 3, [SceneEdit("move", 0, {"x": 9.0, "y": 9.0}), edit], worlds=worlds)
    assert "\n" not in str(caught.value)
    after = ask(recording, 2, 3, [EDIT], worlds=worlds).changed.observation
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({(15, 0): 0.0}, r"no number at \[15, 0\].*\[15, 7\]"),
        ({(-1, 0): 0.0}, "no number at"),
        ({(3,): 0.0}, "no number at"),
        ({(0, 0, 0): 0.0}, "no number at"),
        ({(0, 0): float("nan")}, "a finite number"),
        ({(0, 0): 1e300}, "a finite number"),
    ],
)
def test_a_number_that_cannot_be_is_refused(recording, change, message):
    with pytest.raises(PolicyscopeError, match=message):
        ask(recording, 0, 0, (), change)


def test_numbers_of_an_image_are_bytes():
    from policyscope.recordings.replays.whatif import _set

    image = np.zeros((2, 2, 3), np.uint8)
    assert _set(image, {(1, 0, 2): 255})[1, 0, 2] == 255
    assert image.max() == 0
    for value in (256, -1, 0.5, float("inf"), float("nan")):
        with pytest.raises(PolicyscopeError, match=r"an integer 0\.\.255"):
            _set(image, {(1, 0, 2): value})


def test_targets_before_and_after(recording):
    site = "site[attention_layer.query_ego][0,3]"
    targets = ["q[FASTER]-q[0]", site]
    found = ask(recording, 0, 1, [EDIT], {(0, 3): 2.0}, sites=sites_of_targets(targets))
    q, was = found.changed.outputs["q"], found.recorded.outputs["q"]
    assert found.target(targets[0]) == pytest.approx((was[2] - was[0], q[2] - q[0]))
    assert found.target("q[taken]")[1] == pytest.approx(q[found.recorded.action])
    assert found.target("value@t+2") == (None, None)
    with torch.no_grad():
        seen = torch.as_tensor(np.stack([found.recorded.observation, found.changed.observation]))
        net = recording.agent.net
        keys = net.attention_layer.query_ego(net.ego_embedding(seen[:, :1]))[:, 0, 3]
    assert found.target(site) == pytest.approx(tuple(keys.tolist()), abs=1e-5)
    assert "attention_layer.query_ego" not in recording.sites
    for text in ("q[HIGHER]", "q[", "site[nowhere][0]"):
        with pytest.raises(PolicyscopeError):
            found.target(text)
    with pytest.raises(UnknownName, match="site 'nowhere'"):
        ask(recording, 0, 0, sites=["nowhere"])


def test_steps_that_are_not_there(recording):
    last = recording.episode(1).sizes["step"] - 1
    with pytest.raises(
        PolicyscopeError, match=rf"episode 1 has no step {last + 1}; .* 0\.\.{last}"
    ):
        ask(recording, 1, last + 1)
    with pytest.raises(PolicyscopeError, match="no step -1"):
        ask(recording, 1, -1)
    with pytest.raises(PolicyscopeError, match="no episode 77"):
        ask(recording, 77, 0)


@pytest.mark.parametrize("recurrent", [False, True])
def test_gymnasium_takes_changes_of_the_observation(tmp_path, recurrent):
    recording = cartpole(tmp_path, recurrent)
    worlds = Worlds()
    data = recording.episode(2)
    assert ("state_in" in data) is recurrent
    for step in range(data.sizes["step"]):
        found = ask(recording, 2, step, worlds=worlds)
        np.testing.assert_array_equal(found.changed.outputs["logits"], data["logits"][step])
        assert found.changed.action == data["logits"].values[step].argmax(), "drawn, not greedy"
        assert found.recorded.action == data["action"].values[step]
    assert (data["action"].values != data["logits"].values.argmax(1)).any(), "nothing was drawn"
    pushed = ask(recording, 2, 3, (), {(2,): 0.2}, worlds=worlds)
    assert not np.array_equal(pushed.changed.outputs["logits"], data["logits"][3])
    assert len(pushed.changed.entities) == 0
    with pytest.raises(PolicyscopeError, match="takes no scene edits"):
        ask(recording, 2, 3, [EDIT], worlds=worlds)


def test_memory_is_that_of_the_row(tmp_path):
    recording = cartpole(tmp_path, True)
    data = recording.episode(1)
    at_last = ask(recording, 1, 5, (), dict(zip([(0,), (1,), (2,), (3,)], [0.0] * 4, strict=True)))
    with torch.no_grad():
        state = torch.as_tensor(data["state_in"].values[5])[None]
        logits = recording.agent.forward(torch.zeros(1, 4), state)[0]["logits"][0].numpy()
        anew = recording.agent.forward(torch.zeros(1, 4), None)[0]["logits"][0].numpy()
    np.testing.assert_allclose(at_last.changed.outputs["logits"], logits, atol=1e-6)
    assert np.abs(anew - logits).max() > 1e-3


def test_memory_of_several_tensors_is_kept_in_one_row_and_restored(tmp_path):
    torch.manual_seed(0)
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    network = ("actor_critic_lstm", {"features": 4, "memory": 5, "actions": 2})
    net = build_network(*network)
    net.value_net.weight.data.mul_(30)  # so that memory shows in the value
    agent = Agent(net, network, "categorical", make_lane(spec).space, "sample", env=spec)
    recording = record(agent, None, 2, 0, None, tmp_path / "rec")
    data = recording.episode(1)
    assert data["state_in"].shape == (data.sizes["step"], 20)  # hidden and cell of two LSTMs
    assert not data["state_in"].values[0].any()
    obs = torch.from_numpy(data["obs"].values)[:, None]
    first = torch.zeros(len(obs), 1, dtype=torch.bool)
    first[0] = True
    with torch.no_grad():
        outputs, states = agent.unroll(obs.float(), None, first)
    hidden, cell = states["actor"]
    np.testing.assert_allclose(data["state_in"].values[1:, :5], hidden[:-1, 0], atol=1e-6)
    np.testing.assert_allclose(data["state_in"].values[1:, 5:10], cell[:-1, 0], atol=1e-6)
    answer = ask(recording, 1, 5)
    np.testing.assert_allclose(answer.changed.outputs["value"], outputs["value"][5, 0], atol=1e-5)
    form = agent.initial_state(3)
    shuffled = from_flat_row(data["state_in"].values[5][::-1], form)
    right = from_flat_row(data["state_in"].values[5], form)
    assert torch.equal(right["critic"][1][2], torch.from_numpy(data["state_in"].values[5, 15:]))
    assert not torch.equal(right["actor"][0], shuffled["actor"][0])


def test_another_world_is_refused(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "rec")
    path = tmp_path / "rec/recording.json"
    values = json.loads(path.read_text())
    values["env"]["options"] = {"duration": 6, "spawn_probability": 1.0}
    path.write_text(json.dumps(values))
    changed = open_recording(tmp_path / "rec")
    with pytest.raises(PolicyscopeError, match=r"replaying episode 2 gives another .* at step \d"):
        ask(changed, 2, 4, [EDIT])


def test_what_a_recording_can_lack(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "rec")
    rec = open_recording(tmp_path / "rec")
    rec.episodes["seed"] = -1
    with pytest.raises(PolicyscopeError, match="episode 0 did not start from a seed"):
        ask(rec, 0, 0, [EDIT])
    shutil.rmtree(tmp_path / "rec/agent")
    with pytest.raises((BadFile, UnknownName)):
        ask(rec, 0, 0)


def test_what_was_replayed_is_restored(recording, monkeypatch):
    steps = []
    worlds = Worlds()
    with worlds.alone(recording) as world:
        course = worlds.course(recording, 3)
        lane = world.at("x", course, 4)
        plain = lane.step
        monkeypatch.setattr(lane, "step", lambda action: steps.append(action) or plain(action))
        for step in (4, 2, 0, 3):
            assert world.at("x", course, step) is lane
        assert steps == []
        world.at("x", course, 5)
        assert len(steps) == 1


def test_moments_are_bounded(recording):
    course = Worlds().course(recording, 3)
    world = World(recording.env, 3)
    world.at("x", course, 5)
    assert len(world._moments) == 3
    assert [s for s in range(6) if world._moments.get(("x", s))] == [3, 4, 5]
    world.close()
    assert NEAR > 1


def test_the_newest_are_kept():
    kept = Newest(2)
    assert kept.put("a", 1) == kept.put("b", 2) == []
    assert kept.get("a") == 1
    assert kept.put("c", 3) == [2]
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


def test_the_newest_are_kept_by_their_weight():
    kept = Newest(10)
    assert kept.put("a", 1, 4) == kept.put("b", 2, 6) == []
    assert kept.put("a", 3, 5) == [2]
    assert kept.put("c", 4, 50) == [3]  # the newest stays, however heavy
    assert kept.put("d", 5, 1) == [4]


def test_an_episode_is_kept_without_its_sites(recording):
    course = Worlds().course(recording, 3)
    data = recording.episode(3)
    assert "q" in course.columns
    assert not [name for name in course.columns if name.startswith("sites/")]
    assert course.bytes == sum(data[name].nbytes for name in course.columns)
    for name in recording.sites:
        for step in (0, len(course) - 1):
            np.testing.assert_array_equal(course.site(name, step), data[f"sites/{name}"][step])


def test_sites_are_read_when_they_are_asked_for(recording, monkeypatch):
    asked = []
    read = Course.site
    monkeypatch.setattr(Course, "site", lambda *a: (asked.append(a[1]), read(*a))[1])
    found = ask(recording, 0, 2)
    *_, name = recording.sites
    assert name not in asked  # the type checks of the tests look at the first
    np.testing.assert_array_equal(
        found.recorded.sites[name], recording.episode(0)[f"sites/{name}"][2]
    )
    assert asked.count(name) == 1
    assert list(found.recorded.sites) == list(recording.sites)


def test_other_environments_push_out_the_oldest(recording, tmp_path):
    worlds = Worlds(worlds=1)
    first = ask(recording, 0, 2, [EDIT], worlds=worlds).changed.observation
    other = cartpole(tmp_path, False)
    ask(other, 0, 0, worlds=worlds)
    assert len(worlds._worlds) == 1
    again = ask(recording, 0, 2, [EDIT], worlds=worlds).changed.observation
    np.testing.assert_array_equal(again, first)
