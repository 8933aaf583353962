"""``policyscope evaluate`` in this process, and as a real process that is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import save_agent, save_weights
from policyscope.cli.main import main
from policyscope.core.files import read_json
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

FEATURES = ("presence", "x", "y", "vx", "vy", "cos_h", "sin_h")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    rows = ("ego", *(f"vehicle {i}" for i in range(1, 15)))
    space = Space((15, 7), "float32", rows, FEATURES, ("SLOWER", "IDLE", "FASTER"))
    net = build_network("ego_attention", {})
    initial = dict(build_network("ego_attention", {}).state_dict())
    env = EnvSpec("highway/intersection", {"duration": 6})
    save_agent(
        Agent(net, ("ego_attention", {}), "q", space, env=env, initial=initial), tmp_path / "agent"
    )
    (tmp_path / "agent/checkpoints").mkdir()
    save_weights(tmp_path / "agent/checkpoints/step_0000100.safetensors", initial)
    return str(tmp_path / "agent")


def as_json(capsys, *argv):
    assert main(["evaluate", *argv, "--workers", "0", "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_alone_is_put_out_and_has_the_stated_form(folder, capsys):
    values = as_json(
        capsys, folder, "--episodes", "8", "--baselines", "random,untrained,constant:FASTER"
    )
    assert set(values) == {
        "agent", "baselines", "paired", "n", "seeds", "env", "unit", "level",
    }  # fmt: skip
    assert list(values["baselines"]) == ["random", "untrained", "constant:FASTER"]
    assert list(values["paired"]) == list(values["baselines"])
    for summary in (values["agent"], *values["baselines"].values()):
        for quantity in ("return", "length"):
            numbers = summary[quantity]
            assert numbers["low"] <= numbers["mean"] <= numbers["high"]
        assert list(summary["outcomes"]) == ["arrived", "crashed", "timed_out"]
        assert sum(o["rate"] for o in summary["outcomes"].values()) >= 1
    assert values["agent"]["act"] == "greedy"
    assert values["baselines"]["random"]["act"] == "sample"
    assert values["baselines"]["constant:FASTER"]["actions"]["FASTER"] == 1
    assert set(values["paired"]["random"]) == {
        "difference", "p", "n", "minimum_detectable_effect",
    }  # fmt: skip
    assert values["n"] == values["paired"]["random"]["n"] == 8
    assert values["seeds"] == [0, 7]
    assert values["env"]["options"] == {"duration": 6}
    assert values["env"]["versions"]["highway-env"]


def test_settings_seed_and_weights_reach_the_evaluation(folder, capsys):
    none = ["--episodes", "4", "--baselines", "none"]
    base = as_json(capsys, folder, *none)
    assert base["paired"] == {}
    assert as_json(capsys, folder, *none, "--seed", "50")["seeds"] == [50, 53]
    short = as_json(capsys, folder, *none, "--env-set", "duration=2")
    assert short["agent"]["length"]["mean"] == 2
    assert short["env"]["options"] == {"duration": 2}
    initial = as_json(capsys, folder, *none, "--weights", "initial")
    checkpoint = as_json(capsys, folder, *none, "--weights", "checkpoints/step_0000100")
    assert initial == checkpoint
    assert initial["agent"]["actions"] != base["agent"]["actions"]


def test_table_says_unit_n_level_and_acting_mode(folder, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "values.json"
    argv = ["evaluate", folder, "--episodes", "5", "--workers", "0", "--json", str(path)]
    assert main(argv) == 0
    out = capsys.readouterr().out
    for words in (
        "n = 5 episodes", "95% interval", "undiscounted sum of rewards", "Wilson", "greedy",
        "sample", "random", "untrained", "seeds 0..4", "permutation", "detectable",
    ):  # fmt: skip
        assert words in out, words
    mean = json.loads(path.read_text())["agent"]["return"]["mean"]
    assert f"{mean:.2f}" in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nowhere"], "unknown agent 'nowhere'"),
        (["FOLDER", "--baselines", "randm"], "Did you mean random"),
        (["FOLDER", "--baselines", "constant:FASTR"], "Did you mean FASTER"),
        (["FOLDER", "--act", "gredy"], "Did you mean greedy"),
        (["FOLDER", "--act", "sample"], "use --act greedy"),
        (["FOLDER", "--env", "highway/intersecton"], "Did you mean highway/intersection"),
        (["FOLDER", "--env", "gym:CartPole-v1"], "the agent was made for obs shape"),
        (["FOLDER", "--env-set", "duraton=3"], "Did you mean duration"),
        (["FOLDER", "--env-set", "duration"], "key=value"),
        (["FOLDER", "--weights", "initail"], "Did you mean initial"),
        (["FOLDER", "--episodes", "0"], "at least 1 episode"),
        (["FOLDER", "--seed", "-1"], "evaluation seeds are 0..9999"),
        (["FOLDER", "--seed", "9999", "--episodes", "2"], "evaluation seeds are 0..9999"),
        (["FOLDER", "--workers", "-1"], "workers"),
        (["FOLDER", "--json", "no/such/folder/file.json"], "folder does not exist"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(folder, capsys, argv, said):
    argv = [folder if word == "FOLDER" else word for word in argv]
    assert main(["evaluate", "--episodes", "1", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


EPISODES = 60


def start(folder, cache, workers):
    command = [
        sys.executable, "-m", "policyscope.cli.main", "evaluate", folder, "--episodes",
        str(EPISODES), "--baselines", "none", "--workers", str(workers), "--json", "-",
    ]  # fmt: skip
    environment = {**os.environ, "POLICYSCOPE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def entries(cache: Path):
    return {p: p.stat().st_mtime_ns for p in cache.rglob("*.json")}


# Measured on two cores: 17 s and 33 s under a load of 7, 59 s and 67 s under one of 10.
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_exits_130_and_the_next_run_goes_on(folder, cache, workers, capsys):
    with start(folder, cache, workers) as process:
        try:
            while not entries(cache):
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert out == ""
    assert err == "interrupted; what was finished is kept\n"
    kept = entries(cache)
    assert 1 <= len(kept) < 3

    argv = [folder, "--episodes", str(EPISODES), "--baselines", "none"]
    resumed = as_json(capsys, *argv)
    after = entries(cache)
    assert len(after) == 3
    assert all(after[path] == written for path, written in kept.items())
    whole = as_json(capsys, *argv, "--no-cache")
    assert whole == resumed
    assert entries(cache) == after


def test_card_keeps_the_evaluation_and_only_of_the_agent_as_it_is(folder, capsys):
    printed = as_json(capsys, folder, "--episodes", "2", "--card")
    assert read_json(Path(folder) / "agent.json")["card"]["evaluation"] == printed
    assert main(["evaluate", folder, "--episodes", "2", "--card", "--weights", "initial"]) == 2
    assert "--card is for" in capsys.readouterr().err
