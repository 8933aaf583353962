"""The data of the page: row t is the state that decided, and entities keep their identity."""

import json

import numpy as np
import pytest

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.stats import bootstrap_mean, wilson
from policyscope.panel.page_data import page_data
from policyscope.panel.summary import summarise
from policyscope.recordings.read import Recording, open_recording

PATTERN = "sites/attention_layer.pattern"


def expected_weight(data, t: int, identity: int) -> np.ndarray:
    """Weight of each head on an entity, looked up in the recording itself."""
    rows = np.flatnonzero(data["row_identity"].values[t] == identity)
    heads = data[PATTERN].shape[1]
    return data[PATTERN].values[t, :, 0, rows[0]] if len(rows) else np.zeros(heads)


def misplaced(page, recording: Recording) -> int:
    """How many (step, entity) pairs of a page show another attention than the recording's."""
    wrong = 0
    for episode in page.episodes:
        data = recording.episode(episode.episode)
        for track in episode.entities:
            for i, t in enumerate(track.steps):
                right = expected_weight(data, t, track.identity)
                wrong += not np.allclose(track.attention[i], right, rtol=1e-4, atol=0)
    return wrong


class AfterTheStep(Recording):
    """The mistake of old: at t the attention of the state after the step."""

    def episode(self, k):
        data = super().episode(k)
        return data.assign({PATTERN: (data[PATTERN].dims, np.roll(data[PATTERN].values, -1, 0))})


class ByRow(Recording):
    """The other mistake of old: observation rows taken for identities."""

    def entities(self, k):
        table = super().entities(k)
        return table.assign(row=np.where(table["row"] >= 0, table["identity"] % 15, -1))


def test_attention_at_t_is_that_of_the_deciding_pass_by_identity(recording):
    page = page_data(recording)
    assert sum(len(track.steps) for e in page.episodes for track in e.entities) > 100
    assert misplaced(page, recording) == 0


@pytest.mark.parametrize("mistaken", [AfterTheStep, ByRow])
def test_mistaken_variants_are_noticed(recorded, recording, mistaken):
    assert misplaced(page_data(mistaken(recorded)), recording) > 20


def test_values_actions_and_rewards_are_those_of_row_t(recording):
    for episode in page_data(recording).episodes:
        data = recording.episode(episode.episode)
        np.testing.assert_allclose(episode.outputs["q"], data["q"], rtol=1e-4)
        np.testing.assert_allclose(episode.reward, data["reward"], rtol=1e-4)
        assert episode.action == data["action"].values.tolist()
        assert episode.action == np.argmax(data["q"].values, 1).tolist()
        assert (episode.forced, episode.observation) == ([], None)
        assert (episode.total, episode.outcome) == (
            pytest.approx(data.attrs["return"]), data.attrs["outcome"],
        )  # fmt: skip


def test_a_forced_action_is_marked(recorded):
    class Forced(Recording):
        def episode(self, k):
            data = super().episode(k)
            policy = data["policy_action"].values.copy()
            policy[2] = (policy[2] + 1) % 3
            return data.assign(policy_action=("step", policy))

    assert page_data(Forced(recorded), [0]).episodes[0].forced == [2]


def test_tracks_follow_the_entities(recording):
    page = page_data(recording)
    for episode in page.episodes:
        table = recording.entities(episode.episode).set_index(["identity", "step"])
        assert episode.entities[0].identity == 0
        assert episode.entities[0].kind == "ego"
        assert episode.entities[0].steps == list(range(len(episode.reward)))
        assert sum(len(track.steps) for track in episode.entities) == len(table)
        for track in episode.entities:
            for i, t in enumerate(track.steps):
                line = table.loc[(track.identity, t)]
                shown = track.x[i], track.y[i], track.heading[i], track.speed[i]
                np.testing.assert_allclose(
                    shown, line[["x", "y", "heading", "speed"]].astype(float), rtol=1e-4
                )
                assert track.row[i] == line["row"]


def test_weights_of_the_entities_add_to_one(recording):
    for episode in page_data(recording).episodes:
        total = np.array(episode.absent)
        for track in episode.entities:
            total[track.steps] += np.array(track.attention)
        np.testing.assert_allclose(total, 1.0, atol=1e-3)
        assert np.max(episode.absent) == 0


def test_the_page_names_what_it_shows(recording):
    page = page_data(recording, [1], name="runs/rec")
    assert page.agent == "my-agent"
    assert (page.site, page.heads) == ("attention_layer.pattern", 2)
    assert (page.actions, page.outputs) == (["SLOWER", "IDLE", "FASTER"], ["q"])
    assert page.scene["kind"] == "road"
    assert [e.episode for e in page.episodes] == [1]
    assert page.commands["command line"] == "policyscope export runs/rec 1"
    assert "episodes=[1]" in page.commands["Python"]
    assert page.summary.episodes == 3


def test_the_page_is_json_of_five_digits(recording):
    values = json.loads(json.dumps(page_data(recording).to_json(), allow_nan=False))
    numbers = [x for row in values["episodes"][0]["outputs"]["q"] for x in row]
    assert all(x == float(f"{x:.5g}") for x in numbers)
    assert values["schema"] == 1


def test_without_attention_the_scene_remains(unattended):
    page = page_data(open_recording(unattended))
    assert (page.site, page.heads) == (None, 0)
    episode = page.episodes[0]
    assert episode.absent is None
    assert len(episode.entities) > 3
    assert all(track.attention is None for track in episode.entities)


def test_unknown_names_are_answered(recording):
    with pytest.raises(PolicyscopeError, match="no episode 7; it has 3, 0 to 2"):
        page_data(recording, [7])
    with pytest.raises(UnknownName, match=r"attention_layer\.pattern"):
        page_data(recording, site="attention_layer.patern")


def test_summary_has_intervals_and_counts_double_outcomes_twice(recording):
    table = recording.episodes.assign(outcome=["arrived", "arrived+crashed", "crashed"])
    summary = summarise(table)
    rates = {rate.name: rate for rate in summary.outcomes}
    assert {name: rate.value for name, rate in rates.items()} == {
        "arrived": pytest.approx(2 / 3, abs=1e-5), "crashed": pytest.approx(2 / 3, abs=1e-5),
    }  # fmt: skip
    wilsons = wilson(2, 3)
    assert rates["crashed"].low == pytest.approx(wilsons.low, abs=1e-5)
    assert rates["crashed"].high == pytest.approx(wilsons.high, abs=1e-5)
    mean = bootstrap_mean(table["return"].to_numpy(), seed=0)
    assert summary.mean_return.value == pytest.approx(table["return"].mean(), abs=1e-5)
    assert summary.mean_return.low == pytest.approx(mean.low, abs=1e-5)
    alone = summarise(table[:1]).mean_return
    assert (alone.low, alone.high, alone.n) == (None, None, 1)
