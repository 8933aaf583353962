"""Who accounts for how much over the steps, against planted shares and by hand."""

import json

import numpy as np
import pytest
import xarray as xr

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results.entities import by_identity, by_kind, shares, with_entities
from policyscope.attribution.results.wording import entity_words
from policyscope.cli.main import main
from policyscope.core.result import Result
from policyscope.envs.entities import entity_name
from policyscope.figures.attribution_lanes import draw_lanes, longest
from policyscope.recordings.read import open_recording

#: Row, episode, step, identity, kind, share.
PLANTED = [
    (0, 4, 0, 0, "ego", 1.0), (0, 4, 0, 1, "vehicle", -3.0), (0, 4, 0, 2, "vehicle", 2.0),
    (1, 4, 1, 0, "ego", 5.0), (1, 4, 1, 1, "vehicle", 0.5), (1, 4, 1, 2, "vehicle", -4.0),
    (2, 4, 2, 0, "ego", -2.0), (2, 4, 2, 1, "vehicle", 1.0),
    (3, 7, 0, 0, "ego", 1.0), (3, 7, 0, 1, "vehicle", 9.0),
]  # fmt: skip


def planted(lines=PLANTED):
    row, episode, step, identity, kind, share = (
        np.array(part) for part in zip(*lines, strict=True)
    )
    first = [np.flatnonzero(row == r)[0] for r in np.unique(row)]
    data = xr.Dataset(
        {
            "sight_row": ("sight", row), "sight_identity": ("sight", identity),
            "sight_kind": ("sight", kind), "sight_share": ("sight", share),
            "target": ("row", np.zeros(len(first)), {"unit": "return"}),
        },
        {"episode": ("row", episode[first]), "step": ("row", step[first])},
    )  # fmt: skip
    return Result("attribution", data, unchecked="made up")


def test_sums_means_and_who_was_greatest():
    lines = {(line["episode"], line["identity"]): line for line in by_identity(planted())}
    assert list(lines) == [(4, 0), (4, 2), (4, 1), (7, 1), (7, 0)]  # largest absolute sum first
    ego, one, two = lines[4, 0], lines[4, 1], lines[4, 2]
    assert (ego["signed"], ego["absolute"], ego["steps"]) == (4.0, 8.0, 3)
    assert (one["signed"], one["absolute"], one["steps"]) == (-1.5, 4.5, 3)
    assert (two["signed"], two["absolute"], two["steps"]) == (-2.0, 6.0, 2)
    assert two["absolute_mean"] == 3.0  # over the 2 steps at which it was there, not over 3
    assert two["signed_mean"] == -1.0
    assert ego["greatest"] == pytest.approx(2 / 3)  # vehicle 1 has more at step 0
    assert one["greatest"] == pytest.approx(2 / 3)  # among the others: steps 0 and 2
    assert two["greatest"] == pytest.approx(1 / 2)


def test_an_identity_of_another_episode_is_another_entity():
    lines = {(line["episode"], line["identity"]): line for line in by_identity(planted())}
    assert lines[7, 1]["signed"] == 9.0
    assert lines[4, 1]["steps"] == 3


def test_kinds_are_summed_at_each_step_before_signs_are_left_out():
    lines = {line["kind"]: line for line in by_kind(planted())}
    assert list(lines) == ["vehicle", "ego"]
    vehicle = lines["vehicle"]
    assert (vehicle["steps"], vehicle["signed"]) == (4, 5.5)
    assert vehicle["absolute"] == 1.0 + 3.5 + 1.0 + 9.0
    assert vehicle["greatest"] == 0.5  # as much as the ego at step 0, less at 1 and 2
    assert lines["ego"]["greatest"] == 0.75
    assert "episode" not in vehicle


def test_means_of_kinds_have_intervals_over_episodes():
    """Of two episodes each resample is one, the other or both; steps of one are alike."""
    vehicle = by_kind(planted())[0]
    signed, sizes = vehicle["signed_interval"], vehicle["absolute_interval"]
    assert (signed["mean"], signed["n"]) == (vehicle["signed_mean"], 2)
    assert sizes["mean"] == vehicle["absolute_mean"] == 14.5 / 4
    assert (signed["low"], signed["high"]) == pytest.approx((-3.5 / 3, 9.0))
    assert (sizes["low"], sizes["high"]) == pytest.approx((5.5 / 3, 9.0))
    assert vehicle["greatest_interval"] == {"mean": 0.5, "low": pytest.approx(1 / 3),
                                            "high": 1.0, "n": 2}  # fmt: skip
    alone = by_kind(planted([line for line in PLANTED if line[1] == 4]))[0]["signed_interval"]
    assert (alone["low"], alone["high"], alone["n"]) == (None, None, 1)


def test_nothing_is_told_where_values_lie_on_no_entities():
    empty = Result("attribution", xr.Dataset({"target": ("row", [1.0])}), unchecked="made up")
    assert by_identity(empty) == by_kind(empty) == []
    assert shares(empty).empty
    assert draw_lanes(empty) is None


def test_lanes_stand_where_the_entities_were():
    figure = draw_lanes(planted(), 4)
    heat = figure.data[0]
    assert list(heat.y) == ["ego", "vehicle 2", "vehicle 1"]
    np.testing.assert_array_equal(heat.z, [[1.0, 5.0, -2.0], [2.0, -4.0, np.nan], [-3.0, 0.5, 1.0]])
    sizes = np.abs([share for *_, share in PLANTED])
    assert heat.zmax == -heat.zmin == pytest.approx(np.quantile(sizes, 0.995))  # of all episodes
    middle = dict(heat.colorscale)[0.5]
    assert middle == "#FFFFFF"
    assert figure.layout.plot_bgcolor != middle  # nobody there is not nothing said
    absolute, signed = figure.data[1:]
    assert list(absolute.x) == [8.0, 6.0, 4.5]
    assert list(signed.x) == [4.0, -2.0, -1.5]


def test_the_episode_with_most_steps_is_drawn_and_a_single_step_as_bars():
    assert longest(planted()) == 4
    (bars,) = draw_lanes(planted(), 7).data
    assert dict(zip(bars.y, bars.x, strict=True)) == {"vehicle 1": 9.0, "ego": 1.0}
    assert "episode 4" in draw_lanes(planted()).layout.title.text


def test_scenery_has_one_lane():
    walls = [(r, 1, r, 10_000 + i, "wall", 0.5) for r in range(2) for i in range(30)]
    coins = [(r, 1, r, 1, "coin", -1.0) for r in range(2)]
    heat = draw_lanes(planted(walls + coins)).data[0]
    assert list(heat.y) == ["walls", "coin"]
    np.testing.assert_array_equal(heat.z[0], [15.0, 15.0])


BOXES = [
    (0, 1, 0, 1, "saw", 2.0, 4.0), (0, 1, 0, 2, "saw", -1.0, 8.0), (0, 1, 0, 0, "player", 1.5, 2.0),
    (0, 1, 0, 10_000, "wall", 0.5, 30.0), (0, 1, 0, 10_001, "wall", 2.0, 10.0),
    (1, 1, 1, 1, "saw", 3.0, 4.0), (1, 1, 1, 0, "player", 0.0, 2.0),
]  # fmt: skip


def boxes(method):
    result = planted([line[:6] for line in BOXES])
    result.data["sight_places"] = ("sight", np.array([line[6] for line in BOXES]))
    return Result("attribution", result.data.assign_attrs(method=method), unchecked="made up")


def test_values_that_do_not_add_up_are_means_over_all_places_of_the_boxes():
    """A sum of what windows cover counts places: the largest box would come first."""
    lines = {line["name"]: line for line in by_identity(boxes("occlusion"))}
    assert list(lines) == ["saw 1", "saw 2", "walls", "player"]
    assert lines["walls"]["signed_mean"] == (0.5 * 30 + 2.0 * 10) / 40
    assert lines["walls"]["identity"] == -1
    assert lines["saw 1"]["absolute_mean"] == 2.5
    assert {line["signed"] for line in lines.values()} == {None}
    kinds = {line["name"]: line for line in by_kind(boxes("occlusion"))}
    saws = [(2.0 * 4 - 1.0 * 8) / 12, 3.0]
    assert kinds["saws"]["signed_mean"] == pytest.approx(np.mean(saws))
    assert entity_words(boxes("occlusion").data) == "mean over the places in its box"
    heat, size, _ = draw_lanes(boxes("occlusion")).data
    assert list(heat.y) == ["saw 1", "saw 2", "walls", "player"]
    assert list(size.x)[0] == 2.5


def test_shares_of_a_change_are_summed():
    lines = {line["name"]: line for line in by_identity(boxes("integrated_gradients"))}
    assert list(lines) == ["saw 1", "walls", "player", "saw 2"]
    assert lines["walls"]["signed"] == 2.5
    assert lines["saw 1"]["signed"] == 5.0
    saws = {line["name"]: line for line in by_kind(boxes("shapley"))}["saws"]
    assert (saws["signed"], saws["absolute"]) == (4.0, 4.0)
    assert entity_words(boxes("shapley").data) == "sum over its box"


def test_nobody_is_greatest_of_nothing():
    lines = [(0, 1, 0, 1, "saw", 0.0), (0, 1, 0, 2, "saw", 0.0), (1, 1, 1, 1, "saw", 2.0),
             (1, 1, 1, 2, "saw", 1.0)]  # fmt: skip
    found = {line["name"]: line["greatest"] for line in by_identity(planted(lines))}
    assert found == {"saw 1": 0.5, "saw 2": 0.0}


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    out = tmp_path_factory.mktemp("road") / "rec"
    assert main(["record", "highway-ego-attention", "--episodes", "2", "--out", str(out)]) == 0
    return open_recording(out)


def test_a_vehicle_has_what_its_rows_sum_to(road):
    config = AttributionConfig(
        method="input_x_gradient", target="q[FASTER]", trust=False, initialisations=0
    )
    result = attribute(road, config)
    data = result.data
    values, who = data["attribution"].values.sum(2), data["identity"].values
    episode = data["episode"].values
    lines = by_identity(result)
    assert len(lines) > 4
    for line in lines:
        mine = np.where(episode[:, None] == line["episode"], who == line["identity"], False)
        assert line["steps"] == mine.sum()
        assert line["signed"] == pytest.approx(values[mine].sum(), rel=1e-4, abs=1e-5)
        assert line["absolute"] == pytest.approx(np.abs(values[mine]).sum(), rel=1e-4)
    slots = [line["identity"] for line in lines if line["episode"] == 0]
    assert max(slots) >= 3
    assert {line["kind"] for line in lines if line["identity"] == 0} == {"ego"}


def test_rows_of_a_panel_are_left_as_they_were(road):
    """What is added lies along no row, so that it makes no tracks of its own."""
    config = AttributionConfig(method="gradient", trust=False, initialisations=0)
    data = attribute(road, config, 0).data
    bare = data.drop_vars([name for name in data if str(name).startswith("sight_")])
    again = with_entities(road, bare)
    assert {n: again[n].dims for n in again if n not in bare} == {
        f"sight_{n}": ("sight",) for n in ("share", "row", "identity", "kind", "places")
    }


def test_the_command_line_names_the_greatest(road, capsys, tmp_path):
    given = ["--method", "input_x_gradient", "--target", "q[FASTER]", "--attribution.no-trust",
             "--attribution.initialisations", "0"]  # fmt: skip
    told = tmp_path / "told.json"
    assert main(["explain", f"{road.path}:0", *given, "--json", str(told)]) == 0
    out = capsys.readouterr().out
    lines = json.loads(told.read_text())["entities"]
    top = lines[0]
    name = entity_name(top["kind"], top["identity"])
    assert top["name"] == name
    table = out[out.index(" entity  ") :].splitlines()
    assert table[1].split()[: len(name.split())] == name.split()
    assert f"{top['absolute']:.3g}" in table[1]
    page = (road.path / "explain").rglob("figure.html")
    assert "Who accounts for most" in next(page).read_text(encoding="utf-8")
