"""The examples, each run as a user would run it; all that are here run at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def rl_agents(folder, _):
    agent = load_agent("highway-ego-attention")
    torch.save({"state_dict": agent.net.state_dict(), "optimizer": {}}, folder / "latest.tar")
    heads = agent.network[1].get("heads", 4)
    config = {"model": {"attention_layer": {"heads": heads}}}
    (folder / "config.json").write_text(json.dumps(config))
    return ["latest.tar", "config.json"]


def cleanrl(folder, _):
    made = torch.nn.Sequential(torch.nn.Linear(4, 120), torch.nn.ReLU(), torch.nn.Linear(120, 2))
    torch.save({f"network.{k}": v for k, v in made.state_dict().items()}, folder / "dqn.model")
    return ["dqn.model", "gym:CartPole-v1"]


def procgen_pytorch(folder, _):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    weights = build_network("impala", {"widths": [4, 4, 4], "embedding": 16}).state_dict()
    torch.save({"model_state_dict": weights}, folder / "model_1000.pth")
    return ["model_1000.pth", "procgen/coinrun"]


def rl_clarity(_, lineages):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    return [lineages.shared("coinrun_clear.jd")]


def sb3(*_):
    pytest.importorskip("stable_baselines3")
    return ["512"]


def rollouts(*_):
    return []


SAYS = {
    "rl_agents": (rl_agents, "ego_attention", "highway/intersection"),
    "cleanrl": (cleanrl, "dqn", "gym:CartPole-v1"),
    "procgen_pytorch": (procgen_pytorch, "no memory", "procgen/coinrun"),
    "rl_clarity": (rl_clarity, "clear CNN", "procgen/coinrun"),
    "sb3": (sb3, "Normalise", "gym:CartPole-v1"),
    "rollouts": (rollouts, "policy", "pushes to the right"),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SAYS)
def test_the_example_runs_and_tells_what_it_should(tmp_path, lineages, name):
    arguments, *words = SAYS[name]
    given = [str(a) for a in arguments(tmp_path, lineages)]
    script = EXAMPLES / f"import_{name}.py"
    assert f"python examples/{script.name}" in script.read_text()
    done = subprocess.run(
        [sys.executable, str(script), *given], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "200", "TMPDIR": str(tmp_path)}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for word in [*words, *([] if name == "rollouts" else ["random", "Mean [95% interval]"])]:
        assert word in done.stdout


def test_every_example_of_an_import_is_run():
    assert {p.stem.removeprefix("import_") for p in EXAMPLES.glob("import_*.py")} >= set(SAYS)
