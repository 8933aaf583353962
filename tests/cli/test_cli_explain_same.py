"""The command line, Python and the line that a result tells give the same numbers."""

import json

import pytest

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results.summary import attribution_report
from policyscope.cli.main import main
from policyscope.core.result import Result
from policyscope.recordings.read import open_recording

ROAD, COIN = "highway-ego-attention", "coinrun-gru"
FEW = {"trust": False, "initialisations": 0}
DEEP = "embedder.block3.res2.relu2"
#: Agent and options.
ASKED = [
    (ROAD, {"method": "sarfa", "target": "q[FASTER]"}),
    (ROAD, {"method": "shapley", "baseline": "removed:vehicle"}),
    (
        ROAD,
        {
            "method": "neuron_conductance",
            "site": "output_layer.relus.0",
            "rule": "trapezoid",
            "steps": 8,
        },
    ),
    (ROAD, {"method": "captum:KernelShap", "options": ("n_samples=30",)}),
    (
        COIN,
        {
            "method": "curved",
            "site": DEEP,
            "samples": 2,
            "factors": 3,
            "rule": "trapezoid",
            "steps": 6,
            "target": "value",
        },
    ),
    (COIN, {"method": "grad_cam", "site": DEEP, "target": "value"}),
    (COIN, {"method": "integrated_gradients", "baseline": "row:0:1", "target": "value"}),
    (COIN, {"method": "captum:Occlusion", "site": DEEP, "target": "logp[taken]"}),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording of each shipped agent."""
    folder = tmp_path_factory.mktemp("same")
    for agent in (ROAD, COIN):
        assert main(["record", agent, "--episodes", "1", "--out", str(folder / agent)]) == 0
    return folder


def flags(options):
    """The same options on the command line."""
    for name, value in options.items():
        if name in ("method", "target", "site"):
            yield from (f"--{name}", value)
        elif isinstance(value, bool):
            yield f"--attribution.{'' if value else 'no-'}{name}"
        else:
            several = value if isinstance(value, tuple) else (value,)
            yield from (f"--attribution.{name}", *map(str, several))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("agent", "options"), ASKED, ids=lambda v: str(v)[:60])
def test_the_same_question_has_the_same_answer(
    recorded, agent, options, tmp_path, capsys, monkeypatch
):
    options = {**options, **FEW}
    path, out = recorded / agent, tmp_path / "out"
    code = main(["explain", f"{path}:0:2", *flags(options), "--out", str(out), "--json", "-"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["passed"] else 3)
    config = AttributionConfig(**options)
    same = attribute(open_recording(path), config, 0, 2)
    kept = Result.load(out)
    assert kept.data.equals(same.data)
    assert kept.data.attrs["baseline"] == same.data.attrs["baseline"] == told["baseline"]
    expected = json.loads(json.dumps(attribution_report(same)))
    for part in ("numbers", "checks", "method", "target", "site"):
        assert told[part] == expected[part]
    monkeypatch.chdir(recorded)
    space = {}
    exec(kept.python, space)
    assert space["result"].data.equals(kept.data)
    other = attribute(open_recording(path), config, 0, 3)
    assert not other.data["attribution"].equals(kept.data["attribution"])
