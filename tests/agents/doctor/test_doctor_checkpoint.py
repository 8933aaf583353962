"""``policyscope doctor --original FILE.py --checkpoint FILE``, as a user types it."""

import json
from pathlib import Path

import pytest
import torch

from policyscope.agents.doctor.originals import FORMULAS
from policyscope.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def imported(tmp_path, capsys, monkeypatch):
    """A CleanRL DQN of CartPole: its file and the folder it was imported to."""
    monkeypatch.setenv("COLUMNS", "250")
    net = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.ReLU(), torch.nn.Linear(9, 2))
    path, folder = tmp_path / "dqn.cleanrl_model", tmp_path / "agent"
    torch.save({f"network.{k}": v for k, v in net.state_dict().items()}, path)
    flags = ["--env", "gym:CartPole-v1", "--out", str(folder)]
    assert main(["import", str(path), *flags]) == 0
    capsys.readouterr()
    return path, folder


def test_the_line_the_flags_it_names_and_the_last_line(imported, capsys):
    path, folder = imported
    assert main(["doctor", str(folder), "--rows", "32", "--original", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(f"{folder}: nothing failed; parity was not measured")
    flags = ["--original", str(ROOT / FORMULAS["cleanrl"]), "--checkpoint", str(path)]
    assert main(["doctor", str(folder), "--rows", "32", *flags]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(f"{folder}: nothing failed")
    assert "original of original_cleanrl.py with the weights of dqn.cleanrl_model" in out
    assert main(["doctor", str(folder), "--rows", "32", *flags, "--json", "-"]) == 0
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["parity"]["check"]["value"] <= 1e-12
    assert findings["weights"]["verdict"] == "passed"


def test_other_weights_than_the_agents_fail(imported, capsys):
    path, folder = imported
    weights = torch.load(path, weights_only=True)
    torch.save({k: v * 1.01 for k, v in weights.items()}, path)
    flags = ["--original", str(ROOT / FORMULAS["cleanrl"]), "--checkpoint", str(path)]
    assert main(["doctor", str(folder), "--rows", "32", *flags]) == 3
    assert capsys.readouterr().out.rstrip().endswith("FAILED: parity, weights")


def test_a_checkpoint_alone_is_one_clear_line(imported, capsys):
    path, folder = imported
    assert main(["doctor", str(folder), "--rows", "32", "--checkpoint", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: --checkpoint is read by a file of Python: name it with --original FILE.py\n"
    )
