"""``policyscope init-adapter``: what it writes runs, also in other processes."""

import json
import os
import runpy
import subprocess
import sys

import pytest
import torch

from policyscope.cli.main import main
from policyscope.core import registry
from policyscope.core.plugins import VARIABLE

PLAIN = """class Network(nn.Module):
    recurrent = False

    def __init__(self, features, actions):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, 16), nn.Tanh(), nn.Linear(16, actions))

    def forward(self, x):
        return torch.nn.functional.leaky_relu(self.body(x))
"""


#: Runs verbs one after the other; each puts out what it puts out.
VERBS = """
import json, sys
from policyscope.cli.main import main
for argv in json.loads(sys.argv[1]):
    code = main(argv)
    if code:
        sys.exit(code)
"""


def verbs(*argvs, cwd, plugins=None):
    """Run verbs in a fresh process that knows the network by the variable alone."""
    env = {k: v for k, v in os.environ.items() if k != VARIABLE}
    env |= {VARIABLE: str(plugins)} if plugins else {}
    argv = [sys.executable, "-c", VERBS, json.dumps(argvs)]
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def written(tmp_path, capsys):
    file = tmp_path / "my_net.py"
    assert main(["init-adapter", "my_net", "--out", str(file)]) == 0
    assert f"{VARIABLE}={file}" in capsys.readouterr().out
    return file


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Run a file as ``python FILE ...`` does, in the test's folder."""

    def run(file, *argv):
        known = dict(registry._ENTRIES["network"])
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [file.name, *argv])
        monkeypatch.setitem(registry._ENTRIES, "network", known)
        runpy.run_path(str(file), run_name="__main__")

    return run


@pytest.mark.timeout(180)  # starts processes, which a busy machine makes wait
def test_the_agent_it_writes_is_shown_and_evaluated_elsewhere(written, tmp_path):
    made = subprocess.run([sys.executable, "my_net.py", "runs/my_net"], cwd=tmp_path, check=False)
    assert made.returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    agent = str(tmp_path / "runs" / "my_net")
    flags = ["--episodes", "4", "--workers", "0", "--no-cache"]
    done = verbs(["show", agent], ["evaluate", agent, *flags], cwd=elsewhere, plugins=written)
    assert done.returncode == 0, done.stderr
    assert "untrained" in done.stdout


@pytest.mark.timeout(180)  # starts processes, which a busy machine makes wait
def test_it_is_recorded_in_a_worker_and_proven(written, tmp_path, execute):
    execute(written, "runs/my_net")
    record = ["record", "runs/my_net", "--episodes", "2", "--workers", "1", "--out", "rec"]
    doctor = ["doctor", "runs/my_net", "--rows", "32", "--json", "report.json"]
    done = verbs(record, doctor, cwd=tmp_path, plugins="my_net.py")
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "report.json").read_text())
    assert values["hidden"] == []
    assert {s["name"] for s in values["sites"]} == {
        "preprocess",
        "hidden",
        "tanh",
        "policy",
        "value",
    }


def test_a_network_of_ones_own_with_its_weights(written, tmp_path, execute):
    text = written.read_text()
    start, end = text.index("class Network"), text.index('register("network"')
    text = text[:start] + PLAIN + "\n\n" + text[end:].replace('"categorical"', '"q"')
    written.write_text(text.replace('"sample"', '"greedy"'))
    body = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    torch.save({f"body.{k}": v for k, v in body.state_dict().items()}, tmp_path / "mine.pt")
    execute(written, "runs/q", str(tmp_path / "mine.pt"))
    (tmp_path / "plain.py").write_text(
        "import torch\nfrom my_net import Network\n"
        "net = Network(4, 2)\n"
        "net.load_state_dict(torch.load('mine.pt', weights_only=True))\n"
        "def original(obs):\n    return {'q': net.double()(obs.double()).detach()}\n"
    )
    flags = ["--original", "plain.py", "--json", "-"]
    done = verbs(["doctor", "runs/q", *flags], cwd=tmp_path, plugins="my_net.py")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["findings"][1]["verdict"] == "passed"
    assert [(c["call"], c["place"].split(":")[0]) for c in values["hidden"]] == [
        ("leaky_relu", "my_net.py")
    ]


def test_a_network_that_is_not_found_names_the_mend(written, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as inside:
        inside.setitem(registry._ENTRIES, "network", dict(registry._ENTRIES["network"]))
        inside.setattr(sys, "argv", ["my_net.py", str(tmp_path / "agent")])
        runpy.run_path(str(written), run_name="__main__")
    assert main(["show", str(tmp_path / "agent")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "unknown network 'my_net'" in err
    assert f"{VARIABLE}=path/to/my_net.py" in err
    monkeypatch.setenv(VARIABLE, "no/such.py")
    assert main(["show", str(tmp_path / "agent")]) == 2
    assert f"{VARIABLE} no/such.py cannot be imported: no such file" in capsys.readouterr().err


def test_a_network_registered_where_python_finds_none_is_one_line(
    written, tmp_path, execute, capsys
):
    execute(written, "agent")
    written.unlink()
    assert main(["show", str(tmp_path / "agent")]) == 2
    assert "network 'my_net' is not to be found as my_net:Network" in capsys.readouterr().err


def test_another_environment_is_written_and_runs(tmp_path, execute):
    file = tmp_path / "roads.py"
    assert main(["init-adapter", "roads", "--out", str(file), "--env", "highway/intersection"]) == 0
    execute(file)
    values = json.loads((tmp_path / "runs" / "roads" / "agent.json").read_text())
    assert values["env"]["id"] == "highway/intersection"
    assert values["network"]["arguments"] == {"features": 105, "actions": 3}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["my-net"], "no name for a module"),
        (["class"], "no name for a module"),
        (["mlp"], "registered already"),
        (["torch"], "a module 'torch' is installed already"),
        (["mine", "--out", "made.txt"], "no file of Python"),
        (["mine", "--out", "there.py"], "exists already"),
        (["mine", "--env", "nowhere"], "unknown environment 'nowhere'"),
        (["mine", "--env", "gym:Pendulum-v1"], "has continuous actions"),
        (["mine", "--env", "gym:Nowhere-v0"], "Nowhere"),
        (["mine", "--out", "no/such/mine.py"], "no/such"),
    ],
)
def test_what_cannot_be_written_is_one_line(flags, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("")
    assert main(["init-adapter", *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there.py"]
