"""``policyscope explain REC --method traces``."""

import json

import numpy as np
import pytest

from policyscope.circuits.traces import default_site, traces
from policyscope.cli.main import main
from policyscope.core.registry import find
from policyscope.core.result import Result
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record

SITE = "output_layer.relus.1"


@pytest.fixture(scope="module")
def folder(agents, tmp_path_factory):
    agent = agents["random"](scale=2.0)
    agent.env = EnvSpec("highway/intersection")
    out = tmp_path_factory.mktemp("command") / "rec"
    record(agent, episodes=3, sites=[SITE], out=out)
    return out


def run(folder, *flags):
    return main(["explain", str(folder), "--method", "traces", *flags])


def test_command_writes_result_and_figure(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(folder, "--site", SITE, "--episode", "2", "--out", str(out)) == 0
    text = capsys.readouterr().out
    assert f"Traces of {SITE}, episode 2" in text
    assert "post-activation" in text
    loaded = Result.load(out)
    assert loaded.method == "traces"
    expected = traces(open_recording(folder), SITE, 2).data
    assert np.array_equal(loaded.data["centred"], expected["centred"])
    assert loaded.figure().layout.title.text.startswith(f"{SITE}, episode 2")
    page = (out / "figure.html").read_text()
    assert page.count("plotly.js v") == 1
    assert '"type":"heatmap"' in page
    assert "activation minus its mean" in page
    assert "a trace by itself claims nothing" in page


def test_json_names_the_units_that_vary_most(folder, tmp_path, capsys):
    flags = ["--site", SITE, "--out", str(tmp_path / "out"), "--json", "-"]
    assert run(folder, *flags) == 0
    values = json.loads(capsys.readouterr().out)
    shown = open_recording(folder).episode(0)[f"sites/{SITE}"].values
    spread = shown.std(axis=0)
    first = values["liveliest"][0]
    assert first["unit"] == int(spread.argmax())
    assert first["standard_deviation"] == pytest.approx(float(spread.max()), rel=1e-5)
    assert values["n"] == {"steps": len(shown), "units": 64, "vehicles": 0}
    assert values["episode"] == 0, "the first one by default"


def test_a_site_of_vehicles_says_how_many_are_drawn(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(folder, "--site", "others_embedding.relus.1", "--out", str(out)) == 0
    vehicles = Result.load(out).data.sizes["identity"]
    assert vehicles > 6
    assert f"{vehicles} vehicles by identity" in capsys.readouterr().out
    assert f"the 6 of {vehicles} vehicles longest in view" in (out / "figure.html").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--site", "output_layer.relu.1"], "Did you mean output_layer.relus.1"),
        (["--site", SITE, "--episode", "99"], "there is no episode 99"),
        ([], f"--method traces needs a site, e.g. --site {SITE}"),
        (["--site", SITE, "--attention.level", "0.9"], "belong to --method attention"),
    ],
)
def test_errors_are_one_line_with_the_mend(folder, tmp_path, capsys, flags, message):
    assert run(folder, "--out", str(tmp_path / "out"), *flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


def test_registered_method_and_default_site(folder):
    assert find("method", "traces") is traces
    recording = open_recording(folder)
    assert default_site(recording) == SITE
    assert traces(recording, default_site(recording), 0).data.attrs["stage"] == "post-activation"
