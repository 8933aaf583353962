"""The audit of methods: same decisions, same figures as the trust line, told in three ways."""

import json

import numpy as np
import pytest

from policyscope.attribution.asking.baselines import baseline
from policyscope.attribution.asking.chosen import choose
from policyscope.attribution.audit import audit, audit_report
from policyscope.attribution.config import APART, AttributionConfig
from policyscope.attribution.methods.answering import answered
from policyscope.attribution.trust.line import trust_line
from policyscope.attribution.trust.removals import removal_figure
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.recordings.read import open_recording

TARGET = "q[FASTER]-q[SLOWER]"


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A recording of the shipped intersection agent."""
    out = tmp_path_factory.mktemp("audited") / "rec"
    assert main(["record", "highway-ego-attention", "--episodes", "3", "--out", str(out)]) == 0
    return open_recording(out)


@pytest.fixture(scope="module")
def audited(road):
    """The audit of all its decisions."""
    return audit(road, AttributionConfig(target=TARGET))


def test_its_figures_are_those_of_each_methods_trust_line(road, audited):
    result = audited
    methods = result.data["method"].values.tolist()
    left_out = result.data.attrs["left_out"]
    assert set(left_out) == {"curved", "conductance", "grad_cam", "blur"}
    assert sorted([*methods, *left_out]) == sorted(APART)
    assert result.data.attrs["level"] == "vehicles"
    chosen = choose(road, road.agent, most=32)
    start = baseline(road, road.agent, chosen, "zero")
    for method in ("gradient", "shapley"):
        line = trust_line(
            road.agent, parse_target(TARGET), chosen, "preprocess",
            AttributionConfig(method=method, target=TARGET), start, common=True,
        )  # fmt: skip
        own = result.data.isel(method=methods.index(method))
        told = answered(
            road.agent, parse_target(TARGET), chosen, "preprocess",
            AttributionConfig(method=method, target=TARGET), start, np.arange(len(chosen.step)),
        )[0]["attribution"]  # fmt: skip
        removal = removal_figure(
            road, parse_target(TARGET), chosen, "preprocess",
            AttributionConfig(method=method, target=TARGET), told,
        )  # fmt: skip
        line = [*line, removal]
        assert own["figure"].values.tolist() == [figure.name for figure in line]
        assert own["mean"].values.tolist() == [figure.mean for figure in line]
        assert own["low"].values.tolist() == [figure.low for figure in line]
        assert own["n"].values.tolist() == [figure.n for figure in line]
        told_n = audit_report(result)["methods"][methods.index(method)]
        assert told_n["removal"]["n"] == removal.n < len(chosen.step)
    assert (result.data["low"] <= result.data["mean"]).all()
    assert (result.data["seconds"] > 0).all()


def test_the_command_line_keeps_draws_and_tells_it(road, capsys, tmp_path):
    out = tmp_path / "audit"
    flags = ["--audit", "--target", TARGET, "--out", str(out), "--json", "-"]
    assert main(["explain", f"{road.path}:0", *flags]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = Result.load(out)
    assert told["methods"] == json.loads(json.dumps(audit_report(kept)))["methods"]
    assert len(kept.figure().data) == len(told["better"]) == 6
    assert (out / "figure.html").is_file()
    assert main(["explain", f"{road.path}:0", "--audit", "--target", TARGET]) == 0
    table = capsys.readouterr().out
    assert "integrated" in table
    assert "mean (one episode)" in table
    assert "95 %" not in table
    counts = {one["removal"]["n"] for one in told["methods"]}
    assert f"n={counts.pop()} " in table.split("integrated")[0]
    assert not counts  # each method's removals are of the same decisions
    heads = table.split("method")[0].split()
    assert [head for head in told["better"] if head not in heads] == []  # none is cut short
    left_out = [line for line in table.splitlines() if line.startswith("left out: ")]
    assert "left out: grad cam: Grad-CAM needs channels and places" in left_out
    assert len(left_out) == len(told["left_out"]) == 4  # a line each
    assert all(
        "site 'preprocess' has shape" in told["left_out"][name] for name in ("curved", "grad_cam")
    )
    assert (road.path / "explain" / "audit-q.FASTER-q.SLOWER-e0").is_dir()


def test_methods_of_vehicles_foretell_their_removal_better_than_slopes(audited):
    """All are judged on the same groups, or the figures could not be compared."""
    data = audited.data["mean"]
    shapley, gradient = (data.sel({"method": name}) for name in ("shapley", "gradient"))
    missed, order, truth = ({"figure": name} for name in ("infidelity", "insertion", "removal"))
    assert float(shapley.sel(missed)) < 0.5 * float(gradient.sel(missed))
    assert float(shapley.sel(order)) > float(gradient.sel(order))
    assert float(shapley.sel(truth)) > 0.6 > float(gradient.sel(truth))


def test_it_is_about_attributions(road, capsys):
    assert main(["explain", str(road.path), "--audit", "--method", "traces"]) == 2
    assert "leave out --method" in capsys.readouterr().err
    with pytest.raises(PolicyscopeError, match="no step 999"):
        audit(road, AttributionConfig(), 0, 999)
