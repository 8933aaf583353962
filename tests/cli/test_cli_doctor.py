"""``policyscope doctor``: tables, JSON, exit codes, one line for what is wrong."""

import json

import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.agents.store import load_agent, save_agent
from policyscope.cli.main import main
from policyscope.core import registry
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space


class Noisy(MLPNetwork):
    """The mistake: draws noise at every pass."""

    def forward(self, x):
        return super().forward(x + torch.randn_like(x))


@pytest.fixture
def folder(tmp_path):
    made = ("mlp", {"features": 4, "widths": [8], "actions": 2})
    space = Space((4,), "float32", actions=("0", "1"))
    agent = Agent(build_network(*made).eval(), made, "q", space, env=EnvSpec("gym:CartPole-v1"))
    save_agent(agent, tmp_path / "agent")
    return tmp_path / "agent"


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")


def test_a_sound_agent_ends_with_0_and_a_table(folder, capsys):
    assert main(["doctor", str(folder), "--rows", "32"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in (
        "n = 32: gym:CartPole-v1, random actions, seeds from 0", "determinism", "act = unroll",
        "gradients", "reach 4 sites; n = 8 observations", "relus.0", "nothing failed",
    ):  # fmt: skip
        assert words in out, words


def test_the_shipped_agent_is_sound(capsys):
    assert main(["doctor", "highway-ego-attention", "--rows", "32", "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["agent"] == "highway-ego-attention"
    assert values["passed"] is True
    assert values["hidden"] == []
    assert len(values["sites"]) == 24


def test_a_wrong_agent_ends_with_3_and_is_told(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(registry._ENTRIES["network"], "noisy", f"{__name__}:Noisy")
    agent = load_agent(folder)
    agent.network = ("noisy", agent.network[1])
    save_agent(agent, tmp_path / "wrong")
    out = tmp_path / "report.json"
    assert main(["doctor", str(tmp_path / "wrong"), "--rows", "32", "--json", str(out)]) == 3
    assert "FAILED: determinism" in capsys.readouterr().out
    values = json.loads(out.read_text())
    assert values["passed"] is False
    (found,) = [f for f in values["findings"] if f["name"] == "determinism"]
    assert found["verdict"] == "FAILED"


def test_parity_with_a_function_of_ones_own(folder, tmp_path, capsys):
    path = tmp_path / "mine.py"
    text = (
        "from safetensors.torch import load_file\n"
        f"kept = load_file({str(folder / 'weights.safetensors')!r})\n"
        "w = {k: v.double() for k, v in kept.items()}\n"
        "def original(obs):\n"
        "    x = (obs.double() @ w['layers.0.weight'].T + w['layers.0.bias']).relu()\n"
        "    return {'q': x @ w['predict.weight'].T + w['predict.bias']}\n"
    )
    for change, code in (("", 0), (".relu()", 3)):
        path.write_text(text.replace(change, ".tanh()") if change else text)
        flags = ["--original", str(path), "--rows", "32", "--json", "-"]
        assert main(["doctor", str(folder), *flags]) == code
        parity = json.loads(capsys.readouterr().out)["findings"][1]
        assert parity["verdict"] == ("FAILED" if code else "passed")
        assert (parity["check"]["bound"], parity["check"]["n"]) == (1e-5, 32)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["nowhere"], "unknown agent 'nowhere'"),
        (["highway-ego-attention", "--rows", "3"], "--rows must be at least 32"),
        (["highway-ego-attention", "--json", "no/such/x.json"], "its folder does not exist"),
        (["highway-ego-attention", "--original", "none.zip"], "no such file"),
    ],
)
def test_what_is_wrong_is_one_line(flags, said, capsys):
    assert main(["doctor", *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
