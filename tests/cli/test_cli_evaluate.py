"""``policyscope evaluate`` in this process, and as a real process that is interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.preprocess import Pixels
from policyscope.agents.store import load_agent, save_agent, save_weights
from policyscope.cli.environment import choose_env
from policyscope.cli.main import main
from policyscope.core.files import read_json
from policyscope.envs.procgen.actions import ACTIONS
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


def test_baselines_play_the_first_of_the_agents_seeds(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    some = [folder, "--episodes", "25", "--baselines", "random", "--seed", "3"]
    fewer = as_json(capsys, *some, "--baseline-episodes", "5", "--card")
    every = as_json(capsys, *some, "--baseline-episodes", "all")
    first = as_json(capsys, *some[:2], "5", *some[3:])
    assert (fewer["agent"], fewer["n"], fewer["seeds"]) == (every["agent"], 25, [3, 27])
    assert (every["baselines"]["random"]["n"], every["paired"]["random"]["n"]) == (25, 25)
    assert fewer["baselines"]["random"] == first["baselines"]["random"]
    assert fewer["paired"]["random"] == first["paired"]["random"]
    assert fewer["paired"]["random"]["n"] == 5
    assert main(["evaluate", *some, "--workers", "0", "--baseline-episodes", "5"]) == 0
    table = capsys.readouterr().out
    assert "n = 25 episodes of the agent; baselines play the first of its seeds" in table
    rows = [[cell.strip() for cell in line.split("│")] for line in table.splitlines()]
    assert ["", "episodes", "25", "5", ""] in rows
    assert any(row[1:3] == ["random", "5"] for row in rows)
    assert main(["show", folder]) == 0
    assert ", n 5; the agent minus it" in capsys.readouterr().out


def test_unless_told_otherwise_a_long_evaluation_has_two_hundred_pairs(folder, monkeypatch):
    from policyscope.rollouts import evaluate

    asked = []
    monkeypatch.setattr(evaluate, "evaluate_all", lambda plan, *_: asked.append(plan) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", folder, "--episodes", "1000"])
    (plan,) = asked
    assert [plan.count(k) for k in range(3)] == [1000, 200, 200]
    assert plan.work == 50 + 10 + 10


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
        "highway/intersection (duration=6)", " %",
    ):  # fmt: skip
        assert words in out, words
    mean = json.loads(path.read_text())["agent"]["return"]["mean"]
    assert f"{mean:.2f}" in out


@pytest.fixture
def image_folder(tmp_path):
    """An agent made for CoinRun, of which Maze has the frames and actions."""
    arguments = {"widths": [2] * 5, "dense": [4, 4], "actions": 15, "shape": [3, 64, 64]}
    made = ("clear_cnn", arguments)
    space = Space((64, 64, 3), "uint8", actions=ACTIONS)
    agent = Agent(build_network(*made), made, "categorical", space, "sample")
    agent.preprocess, agent.env = Pixels(), EnvSpec("procgen/coinrun")
    save_agent(agent, tmp_path / "images")
    return str(tmp_path / "images")


def test_an_agent_of_images_elsewhere_and_in_another_mode(image_folder, capsys, monkeypatch):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    monkeypatch.setenv("COLUMNS", "200")
    where = [image_folder, "--env", "procgen/maze", "--mode", "easy", "--episodes", "2"]
    where += ["--baselines", "random"]
    values = as_json(capsys, *where)
    assert values["env"]["options"] == {"mode": "easy"}
    for policy in (values["agent"], values["baselines"]["random"]):
        assert list(policy["outcomes"]) == ["cheese", "timed_out"]
        assert policy["n"] == 2
    assert main(["evaluate", *where, "--workers", "0"]) == 0
    out = capsys.readouterr().out
    for words in ("procgen/maze (mode=easy)", "seeds 0..1 (levels 200000..200001)", "n = 2"):
        assert words in out
    rate = values["agent"]["outcomes"]["timed_out"]
    assert f"{100 * rate['rate']:.1f} %" in out


def test_the_mode_is_an_option_of_the_agents_own_environment(image_folder):
    agent = load_agent(image_folder)
    agent.env = EnvSpec("procgen/coinrun", {"mode": "hard", "paint_vel_info": True})
    spec = choose_env(agent, None, [], "easy")
    assert spec.options == {"mode": "easy", "paint_vel_info": True}
    assert choose_env(agent, None, []).options["mode"] == "hard"
    assert choose_env(agent, "procgen/maze", ["num_levels=3"], "memory") == replace(
        spec, id="procgen/maze", options={"num_levels": 3, "mode": "memory"}
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--mode", "easy"], "highway/intersection has no modes; leave out --mode"),
        (["--env", "gym:CartPole-v1", "--mode", "easy"], "gym:CartPole-v1 has no modes"),
        (["--env", "procgen/maze", "--mode", "eazy"], "Did you mean easy?"),
        (["--env", "procgen/coinrun", "--mode", "memory"], "unknown mode of procgen/coinrun"),
        (["--env", "procgen/maze", "--mode", "easy", "--env-set", "mode=hard"], "given twice"),
    ],
)
@pytest.mark.parametrize("verb", ["evaluate", "record", "watch"])
def test_a_mode_that_is_none_is_refused_in_one_line(folder, tmp_path, capsys, verb, flags, said):
    where = [] if verb == "evaluate" else ["--out", str(tmp_path / "out")]
    assert main([verb, folder, "--episodes", "1", *where, *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nowhere"], "unknown agent 'nowhere'"),
        (["runs/nowhere"], "runs/nowhere: there is no such folder"),
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
        (["FOLDER", "--baseline-episodes", "0"], "baselines need at least 1 episode, got 0"),
        (["FOLDER", "--baseline-episodes", "some"], "baseline-episodes"),
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
    # Between a part in the cache and the news of it there is a moment.
    assert re.fullmatch(r"(stopped|interrupted; .* in the cache; the same command goes on)\n", err)
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


@pytest.mark.parametrize(("flags", "told"), [
    ([], "interrupted; 20 of 45 episodes are in the cache; the same command goes on\n"),
    (["--no-cache"], "stopped\n"),
])  # fmt: skip
def test_ctrl_c_tells_what_is_kept(folder, cache, capsys, monkeypatch, flags, told):
    from policyscope.rollouts import evaluate

    right, calls = evaluate.rollout, []

    def interrupted(*given, **more):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return right(*given, **more)

    monkeypatch.setattr(evaluate, "rollout", interrupted)
    line = ["evaluate", folder, "--episodes", "45", "--baselines", "none", "--workers", "0"]
    assert main([*line, *flags]) == 130
    assert capsys.readouterr().err == told


def test_equal_numbers_have_no_interval(capsys):
    from policyscope.cli.tables import evaluation_tables

    spread = {"mean": 2.0, "low": 1.0, "high": 3.0}
    equal = {"mean": 10.0, "low": 10.0, "high": 10.0}
    one = {"act": "greedy", "n": 7, "return": equal, "length": spread, "outcomes": {}}
    paired = {"n": 7, "difference": equal, "p": 1.0, "minimum_detectable_effect": 0.0}
    evaluation_tables("mine", {
        "level": 0.95, "n": 7, "agent": one, "baselines": {}, "paired": {"random": paired},
        "env": {"id": "highway/intersection", "options": {}}, "seeds": [0, 6],
    })  # fmt: skip
    told = capsys.readouterr().out
    assert told.count("(all 7 equal)") == 2
    assert "[10.00" not in told
    assert "[1.00, 3.00]" in told
    assert "unknown" in told
    assert "0.00" not in told.replace("10.00", "")


def test_card_keeps_the_evaluation_and_only_of_the_agent_as_it_is(folder, capsys):
    printed = as_json(capsys, folder, "--episodes", "2", "--card")
    assert read_json(Path(folder) / "agent.json")["card"]["evaluation"] == printed
    assert main(["evaluate", folder, "--episodes", "2", "--card", "--weights", "initial"]) == 2
    assert "--card is for" in capsys.readouterr().err
    assert main(["evaluate", folder, "--episodes", "2", "--card", "--mode", "easy"]) == 2
    assert "--card is for" in capsys.readouterr().err
