"""Figures of the attention: what they show is what the result holds."""

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.circuits.attention import explain
from policyscope.circuits.config import AttentionConfig
from policyscope.circuits.traces import traces
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.highway.lane import make_lane
from policyscope.envs.spec import EnvSpec
from policyscope.figures.actions import MOST, draw_actions
from policyscope.figures.attention import draw
from policyscope.figures.attention_page import write_attention_page
from policyscope.figures.page import table
from policyscope.figures.scene import LEAST, WIDEST, draw_scene
from policyscope.figures.theme import HEAD_COLOURS, faint, head_colour, ink, template
from policyscope.figures.traces import draw as draw_traces
from policyscope.recordings.record import record


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    torch.manual_seed(10)
    spec = EnvSpec("highway/intersection")
    net = EgoAttentionNetwork().eval()
    initial = {k: v.clone() for k, v in net.state_dict().items()}
    with torch.no_grad():
        for p in net.parameters():
            p.add_(2 * torch.randn_like(p) * p.std())
    agent = Agent(net, ("ego_attention", {}), "q", make_lane(spec).space, env=spec, initial=initial)
    return record(agent, episodes=6, out=tmp_path_factory.mktemp("figures") / "rec")


@pytest.fixture(scope="module")
def result(recording):
    return explain(recording, AttentionConfig(resamples=100))


def texts(figure):
    return " ".join(str(a.text) for a in figure.layout.annotations) + figure.layout.title.text


def test_overview_marks_are_the_estimates_turned_by_the_sign_of_the_claim(result):
    figure, data = draw(result), result.data
    filled = [t for t in figure.data if t.xaxis == "x" and t.marker.symbol is None and t.text]
    assert len(filled) == 4
    for head, trace in enumerate(filled):
        expected = [
            float(data["estimate"].sel(measure=c["claim_verdict"].item(), quantity="trained")[head])
            * int(c["claim_sign"])
            for c in (data.sel(claim=name) for name in data["claim"].values)
        ]
        assert np.allclose(np.array(trace.x, float), expected, equal_nan=True)
        assert trace.marker.color == head_colour(head)


def test_overview_verdict_marks_are_those_of_the_result(result):
    figure = draw(result)
    marks = [str(a.text)[0] for a in figure.layout.annotations if str(a.text)[:1] in "✓✗?–"]
    symbols = {"supported": "✓", "contradicted": "✗", "undecided": "?", "not measurable": "–"}
    expected = [symbols[v] for v in result.data["verdict"].values.T.ravel()]
    assert marks[: len(expected)] == expected


def test_overview_says_how_much_and_whether_checks_failed(result):
    from dataclasses import replace

    from policyscope.core.checks import Check

    assert "6 episodes" in texts(draw(result))
    assert f"{len(result.checks)} of {len(result.checks)} checks passed" in texts(draw(result))
    broken = replace(result, checks=(*result.checks, Check.at_most("planted", 2, 1, n=1)))
    assert "failed: planted" in texts(draw(broken))


def test_registered_figure_is_the_overview(result):
    assert result.figure().layout.title.text == draw(result).layout.title.text


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_modes_differ_in_paper_and_not_in_head_colours(result, mode):
    figure = draw(result, mode)
    assert figure.layout.template.layout.paper_bgcolor == ink(mode)["paper"]
    assert tuple(template(mode).layout.colorway) == HEAD_COLOURS
    assert len(set(HEAD_COLOURS)) == 8
    assert faint("#FF0080", 0.25) == "rgba(255,0,128,0.25)"


def test_action_figure_rings_the_action_that_was_taken(result):
    data = result.data
    total = data.sizes["change"]
    assert total >= 3
    figure = draw_actions(result)
    shown = min(total, MOST)
    dots = [t for t in figure.data if t.mode == "markers"]
    assert [t.name for t in dots] == ["SLOWER", "IDLE", "FASTER"]
    q = data["q"].values[data["change_decision"].values[:shown]]
    for a, trace in enumerate(dots):
        assert np.allclose(trace.x, q[:, a])
        ringed = np.array(trace.marker.line.width) > 0
        assert np.array_equal(ringed, data["action_after"].values[:shown] == a)
    assert len(draw_actions(result, first=total - 1).data[0].x) == 2
    one = [t for t in draw_actions(result, first=total - 1).data if t.mode == "markers"]
    assert len(one[0].x) == 1


def lines_of(figure):
    return {t.text: t for t in figure.data if t.text and str(t.text).startswith("head ")}


def test_scene_draws_lines_to_the_vehicles_that_rows_show(recording):
    """A line must end at the vehicle of the row, whatever row that is at this step."""
    episode, step = 0, 2
    moment = recording.episode(episode).isel(step=step)
    identity = moment["row_identity"].values
    scene = recording.entities(episode).query(f"step == {step}").set_index("identity")
    row = int(np.flatnonzero(identity > 0)[-1])
    attention = np.zeros((2, 15))
    attention[0, row], attention[0, 0], attention[1, 0] = 0.75, 0.25, 1.0
    attention[1, row] = LEAST / 2
    found = lines_of(draw_scene(recording, episode, step, attention))
    who = identity[row]
    assert set(found) == {
        f"head 0 looks at vehicle {who}: 0.75", "head 0 looks at itself: 0.25",
        "head 1 looks at itself: 1.00",
    }  # fmt: skip
    line = found[f"head 0 looks at vehicle {who}: 0.75"]
    ego = scene.loc[0, ["x", "y"]].to_numpy(float)
    assert (line.x[0], line.y[0]) == pytest.approx(ego)
    assert (line.x[-1], line.y[-1]) == pytest.approx(scene.loc[who, ["x", "y"]].to_numpy(float))
    assert line.line.width == pytest.approx(WIDEST * 0.75)
    ring = found["head 1 looks at itself: 1.00"]
    assert np.hypot(ring.x - ego[0], ring.y - ego[1]).std() == pytest.approx(0, abs=1e-9)


def test_scene_takes_the_recorded_attention_and_draws_every_vehicle(recording):
    figure = draw_scene(recording, 1, 0)
    entities = recording.entities(1).query("step == 0")
    named = [t.text for t in figure.data if t.text and "m/s" in str(t.text)]
    assert len(named) == len(entities)
    pattern = recording.episode(1)["sites/attention_layer.pattern"].values[0, :, 0]
    assert len(lines_of(figure)) == int((pattern >= LEAST).sum())
    low, high = figure.layout.yaxis.range
    assert low > high, "y grows to the south"


def test_scene_of_a_step_that_is_not_there(recording):
    with pytest.raises(PolicyscopeError, match="there is no step 99"):
        draw_scene(recording, 0, 99)


@pytest.mark.parametrize("site", ["others_embedding.relus.1", "output_layer.relus.1"])
def test_traces_draw_every_unit(recording, site):
    found = traces(recording, site, 0)
    figure = draw_traces(found)
    maps = [t for t in figure.data if t.type == "heatmap"]
    panels = min(found.data.sizes.get("identity", 1), 6)
    assert len(maps) == panels
    assert maps[0].z.shape == (64, found.data.sizes["step"])
    assert "post-activation" in figure.layout.title.text


def test_page_says_what_it_leaves_out_and_traces_the_shown_episode(
    result, recording, tmp_path, monkeypatch
):
    from policyscope.figures import actions, attention_page

    total = result.data.sizes["change"]
    write_attention_page(result, recording, tmp_path / "all.html")
    assert f"all {total} changes of action" in (tmp_path / "all.html").read_text()
    for module in (actions, attention_page):
        monkeypatch.setattr(module, "MOST", 2)
    write_attention_page(result, recording, tmp_path / "some.html")
    page = (tmp_path / "some.html").read_text()
    assert f"the first 2 of {total} changes of action; all are in the result" in page
    assert f"One scene of {total}" in page
    data = result.data
    clearest = int(data["change_episode"].values[data["margin"].values.argmax()])
    assert f"Neuron traces of one site, output_layer.relus.1, in episode {clearest}." in page
    assert '"type":"heatmap"' in page
    title = draw_actions(result, first=1).layout.title.text
    assert f"2 to 3 of {total} changes" in title


def test_page_is_one_file_with_text_escaped(result, recording, tmp_path):
    write_attention_page(result, recording, tmp_path / "page.html", "dark")
    page = (tmp_path / "page.html").read_text()
    assert page.count("plotly.js v") == 1
    assert ink("dark")["paper"] in page
    assert "attention on absent rows" in page
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert "<td>&lt;b&gt;</td>" in table("t", ["a"], [["<b>"]])
