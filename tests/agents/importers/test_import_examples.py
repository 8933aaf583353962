"""The examples, each run as a user would run it; all that are here run at once."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent
from policyscope.core.registry import names

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


def nothing(*_):
    return []


def minari(*_):
    pytest.importorskip("minari")
    return []


def frames(*shape):
    return np.random.default_rng(3).integers(1, 256, (*shape, 64, 64, 3), np.uint8)


def trajectories(folder, _):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    firsts = np.arange(20) % 8 == 0
    values = {
        "observations": frames(1, 20), "actions": np.full((1, 20), 7), "firsts": firsts[None],
        "rewards": np.zeros((1, 20), np.float32),
    }  # fmt: skip
    (folder / "coinrun.trajectories.jd").write_bytes(pickle.dumps(values, 3))
    return ["coinrun.trajectories.jd", "procgen/coinrun"]


def observations(folder, _):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    seen = {"observations": frames(9), "observations_full": frames(9)}
    (folder / "coinrun.observations.jd").write_bytes(pickle.dumps(seen, 3))
    return ["coinrun.observations.jd", "procgen/coinrun"]


def generative(folder, _):
    """One episode as ``record.py`` of that work writes it."""
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    part, rows = folder / "logdir" / "data" / "episode_00000", 6
    part.mkdir(parents=True)
    table = {"done": np.arange(rows) == rows - 1, "reward": 0.0, "value": 0.5, "action": 7}
    pd.DataFrame(table).to_csv(part.parent / "data_gen_model_00000.csv")
    np.save(part / "ob.npy", np.moveaxis(frames(rows), -1, 1))
    np.save(part / "hx.npy", np.ones((rows + 1, 4), np.float32))
    np.save(part / "lp.npy", np.full((rows, 15), -np.log(15), np.float32))
    return ["logdir", "procgen/coinrun"]


def simulated(folder, _):
    """One sample as ``record_gen_samples.py`` of that work writes it."""
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    part = folder / "logdir" / "informed_init" / "sample_00000"
    part.mkdir(parents=True)
    np.save(part / "ims.npy", frames(10))
    widths = {"agent_hs": (4,), "agent_logprobs": (15,), "env_hs": (12,)}
    for name in ("rews", "dones", "agent_values", *widths):
        np.save(part / f"{name}.npy", np.full((10, *widths.get(name, ())), 0.5, np.float32))
    return ["logdir", "procgen/coinrun"]


TABLE = ("random", "Mean [95% interval]")
RUNS = [
    ("rl_agents", rl_agents, "ego_attention", "highway/intersection", *TABLE),
    ("cleanrl", cleanrl, "dqn", "gym:CartPole-v1", *TABLE),
    ("procgen_pytorch", procgen_pytorch, "no memory", "procgen/coinrun", *TABLE),
    ("rl_clarity", rl_clarity, "clear CNN", "procgen/coinrun", *TABLE),
    ("sb3", sb3, "Normalise", "gym:CartPole-v1", *TABLE),
    ("module", nothing, "untrained", "gym:CartPole-v1", *TABLE),
    ("rollouts", nothing, "policy", "pushes to the right"),
    ("rl_clarity_rollouts", trajectories, "episodes 3, ", "actions taken: RIGHT"),
    ("rl_clarity_rollouts", observations, "episodes 9, ", "actions taken: unknown"),
    ("minari", minari, "episodes 2, ", "environment: highway/intersection mean return:"),
    ("generative", generative, "note:", "mean value: 0.5", "memory: 5 rows of 4 numbers"),
    ("generative", simulated, "note:", "mean value: 0.5", "memory: 10 rows of 4 numbers"),
]
#: Importers whose example has another name than they have.
SCRIPTS = {"stable_baselines3": "sb3", "imitation": "rollouts"}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run[0]}-{run[1].__name__}")
def test_the_example_runs_and_tells_what_it_should(tmp_path, lineages, run):
    name, arguments, *words = run
    given = [str(a) for a in arguments(tmp_path, lineages)]
    script = EXAMPLES / f"import_{name}.py"
    assert f"python examples/{script.name}" in script.read_text()
    done = subprocess.run(
        [sys.executable, str(script), *given], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "200", "TMPDIR": str(tmp_path)}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = " ".join(done.stdout.split())
    for word in words:
        assert word in told


def test_every_example_of_an_import_is_run():
    assert {f"import_{name}" for name, *_ in RUNS} == {p.stem for p in EXAMPLES.glob("import_*.py")}


def test_every_importer_has_an_example():
    run = {name for name, *_ in RUNS}
    for importer in (*names("importer"), *names("recording importer")):
        assert SCRIPTS.get(importer, importer) in run
    assert '"init-adapter"' in (EXAMPLES / "import_module.py").read_text()
