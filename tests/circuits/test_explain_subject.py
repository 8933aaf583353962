"""What a result says of the recording it explains; recordings whose agent is gone or damaged."""

import json
import shutil

import numpy as np
import pytest

from policyscope.circuits.attention import NO_AGENT, explain
from policyscope.circuits.config import AttentionConfig
from policyscope.circuits.traces import default_site, traces
from policyscope.cli.main import main
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.core.result import Result
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record

QUICK = AttentionConfig(resamples=100)
SITE = "output_layer.relus.1"


@pytest.fixture(scope="module")
def folder(agents, tmp_path_factory):
    """Two real episodes of random weights, seeds 5 and 6, with the default sites."""
    agent = agents["random"](scale=2.0)
    agent.env = EnvSpec("highway/intersection")
    out = tmp_path_factory.mktemp("subject") / "rec"
    record(agent, episodes=2, seed=5, out=out)
    return out


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("explain"))


def test_results_name_their_recording_and_no_machine(folder):
    recording = open_recording(folder)
    for result in (explain(recording, QUICK), traces(recording, SITE, 1)):
        about = result.parameters["recording"]
        assert about == {
            "name": "rec", "env": "highway/intersection", "episodes": 2, "seed": 5,
            "weights": recording.plan.weights,
        }  # fmt: skip
        assert str(folder.parent) not in json.dumps([result.parameters, result.provenance])


def test_python_line_makes_the_result_again(folder, monkeypatch):
    monkeypatch.chdir(folder.parents[1])
    typed = f"{folder.parent.name}/rec"
    for result in (explain(open_recording(typed), QUICK), traces(open_recording(typed), SITE, 1)):
        assert result.provenance["command"] == result.python
        assert f"open_recording({typed!r})" in result.python
        names: dict = {}
        exec(result.python, names)
        again = names["result"]
        assert again.data.identical(result.data)
        assert again.parameters == result.parameters


def test_a_recording_opened_from_inside_has_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert traces(open_recording("."), SITE, 0).parameters["recording"]["name"] == "rec"


def test_the_command_is_kept_without_the_machine(folder, tmp_path):
    argv = ["explain", str(folder), "--method", "traces", "--site", SITE, "--out"]
    assert main([*argv, str(tmp_path / "out")]) == 0
    command = Result.load(tmp_path / "out").provenance["command"]
    assert command == f"policyscope explain rec --method traces --site {SITE} --out out"
    fast = ["--attention.resamples", "100"]
    assert main(["explain", str(folder), "--out", str(tmp_path / "heads"), *fast]) == 0
    command = Result.load(tmp_path / "heads").provenance["command"]
    assert command == "policyscope explain rec --out heads --attention.resamples 100"


def test_without_its_agent_a_recording_is_explained_from_what_was_recorded(
    folder, tmp_path, capsys
):
    copy = copied(folder, tmp_path)
    whole = explain(open_recording(copy), QUICK).data["attention"].sel(weights="trained")
    shutil.rmtree(copy / "agent")
    assert main(["explain", str(copy), "--attention.resamples", "100"]) == 0
    assert NO_AGENT in " ".join(capsys.readouterr().out.split())
    result = Result.load(copy / "explain" / "attention")
    assert np.array_equal(result.data["attention"].sel(weights="trained"), whole)
    assert result.data["weights"].values.tolist() == ["trained"]
    assert result.parameters["recording"]["weights"] == open_recording(folder).plan.weights


def test_without_its_agent_recorded_sites_are_traced_and_others_are_unknown(folder, tmp_path):
    copy = copied(folder, tmp_path)
    whole = traces(open_recording(copy), SITE, 0)
    shutil.rmtree(copy / "agent")
    recording = open_recording(copy)
    found = traces(recording, SITE, 0)
    assert np.array_equal(found.data["activation"], whole.data["activation"])
    assert found.data.attrs["stage"] == "stage unknown"
    assert default_site(recording) is None
    with pytest.raises(UnknownName, match="unknown site 'output_layer.layers.1'"):
        traces(recording, "output_layer.layers.1", 0)


@pytest.mark.parametrize("method", [[], ["--method", "traces", "--site", SITE]])
def test_a_damaged_agent_is_an_error(folder, tmp_path, capsys, method):
    copy = copied(folder, tmp_path)
    (copy / "agent" / "agent.json").write_text("{")
    with pytest.raises(BadFile, match=r"agent\.json"):
        explain(open_recording(copy), QUICK)
    assert main(["explain", str(copy), *method]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "agent.json" in error
    assert not (copy / "explain").exists()


def test_an_agent_of_an_unknown_network_is_an_error_and_no_missing_one(folder, tmp_path):
    copy = copied(folder, tmp_path)
    path = copy / "agent" / "agent.json"
    path.write_text(path.read_text().replace('"ego_attention"', '"ego_atention"'))
    with pytest.raises(PolicyscopeError, match="unknown network 'ego_atention'"):
        explain(open_recording(copy), QUICK)
