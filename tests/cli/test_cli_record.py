"""``policyscope record``: budget, default sites, errors in one line, fast help."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.agents.store import save_agent
from policyscope.cli.main import main
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import open_recording

ARGUMENTS = {"embedding": [16], "width": 16, "heads": 2, "decoder": [16]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    spec = versioned(EnvSpec("highway/intersection", {"duration": 3}))
    net = EgoAttentionNetwork(**ARGUMENTS)
    agent = Agent(net, ("ego_attention", ARGUMENTS), "q", make(spec).space, env=spec)
    folder = tmp_path_factory.mktemp("saved") / "agent"
    save_agent(agent, folder)
    return folder


def test_records_with_default_sites_and_prints_the_budget(saved, tmp_path, capsys):
    out = tmp_path / "rec"
    assert main(["record", str(saved), "--episodes", "5", "--seed", "7", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "5 episodes, shards: 1, sites: 7, acting greedy: about" in printed.err
    assert " on disk, " in printed.err
    assert "seeds 7 to 11" in printed.out
    assert "FASTER" in printed.out
    rec = open_recording(out)
    assert "attention_layer.pattern" in rec.sites
    assert rec.provenance["command"].startswith("policyscope record ")
    assert str(tmp_path) not in (out / "recording.json").read_text()


def test_flags_reach_the_recording(saved, tmp_path):
    flags = ["--sites", "attention_layer.*", "output_layer.predict", "--shard-episodes", "2"]
    flags += ["--env-set", "duration=2", "--act", "greedy", "--workers", "0"]
    out = tmp_path / "rec"
    assert main(["record", str(saved), "--out", str(out), "--episodes", "3", *flags]) == 0
    rec = open_recording(out)
    assert rec.env.options == {"duration": 2}
    assert {"attention_layer.key_all", "attention_layer.pattern", "output_layer.predict"} <= set(
        rec.sites
    )
    assert not [s for s in rec.sites if s.startswith("ego_embedding")]
    assert (rec.plan.shards, rec.episodes["steps"].max()) == (2, 2)
    bare = tmp_path / "bare"
    assert (
        main(["record", str(saved), "--out", str(bare), "--episodes", "1", "--sites", "none"]) == 0
    )
    assert open_recording(bare).sites == {}


def test_the_recorded_agent_can_be_recorded_again(saved, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for source, out in ((saved, first), (first, second)):
        assert main(["record", str(source), "--out", str(out), "--episodes", "2"]) == 0
    one, two = (open_recording(out).rows(["q"])["q"] for out in (first, second))
    np.testing.assert_array_equal(one, two)


def test_a_recorded_agent_acts_where_it_was_recorded(saved, tmp_path, capsys):
    rec = tmp_path / "rec"
    flags = ["--episodes", "2", "--env-set", "duration=2", "--sites", "none", "--out", str(rec)]
    assert main(["record", str(saved), *flags]) == 0
    for agent, seconds in ((rec, 2), (rec / "agent", 2), (saved, 3)):
        capsys.readouterr()
        few = ["--episodes", "2", "--baselines", "none", "--workers", "0", "--json", "-"]
        assert main(["evaluate", str(agent), *few]) == 0
        values = json.loads(capsys.readouterr().out)
        assert values["env"] == {
            **open_recording(rec).env.to_json(),
            "options": {"duration": seconds},
        }
    again = tmp_path / "again"
    assert (
        main(["record", str(rec), "--episodes", "2", "--sites", "none", "--out", str(again)]) == 0
    )
    assert open_recording(again).env.options == {"duration": 2}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sites", "atention_layer.pattern"], "Did you mean attention_layer.pattern"),
        (["--act", "sample"], "use --act greedy"),
        (["--episodes", "0"], "episodes must be at least 1"),
        (["--episodes", "1000001"], "a recording holds at most 1000000 episodes"),
        (["--seed", str(2**63), "--episodes", "1"], f"seeds must be at most {2**63 - 1}, got"),
        (["--workers", "-1"], "--workers must be 0 or more"),
        (["--env", "highway/intersektion"], "Did you mean highway/intersection"),
        (["--env-set", "duratoin=3"], "Did you mean duration"),
        (["--env-set", "observation.vehicles_count=9"], "the agent was made for obs shape"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(saved, tmp_path, capsys, flags, message):
    out = tmp_path / "rec"
    assert main(["record", str(saved), "--out", str(out), *flags]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert printed.err.startswith("error: ")
    assert not out.exists()


def test_another_plan_is_refused_before_the_probe(saved, tmp_path, capsys):
    out = tmp_path / "rec"
    assert main(["record", str(saved), "--out", str(out), "--episodes", "2"]) == 0
    capsys.readouterr()
    assert main(["record", str(saved), "--out", str(out), "--episodes", "3"]) == 2
    printed = capsys.readouterr().err
    assert "holds a recording of 2 episodes (give --resume to add 1, or another folder)" in printed
    assert "on disk" not in printed
    same = ["record", str(saved), "--out", str(out), "--episodes", "3", "--resume"]
    assert main(same) == 0
    assert len(open_recording(out)) == 3


@pytest.mark.parametrize(("after", "told"), [
    (0, "stopped"), (2, "interrupted; 2 of 3 shards are kept; the same command goes on"),
])  # fmt: skip
def test_ctrl_c_tells_what_is_kept(saved, tmp_path, capsys, monkeypatch, after, told):
    from policyscope.recordings import record as recorder

    right, calls = recorder.write_shard, []

    def interrupted(*given):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(given)
        right(*given)

    monkeypatch.setattr(recorder, "write_shard", interrupted)
    flags = ["--episodes", "3", "--shard-episodes", "1", "--sites", "none", "--workers", "0"]
    assert main(["record", str(saved), *flags, "--out", str(tmp_path / "rec")]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == told


@pytest.mark.parametrize(
    ("verb", "positional"),
    [("record", "AGENT"), ("curve", "RUN..."), ("panel", "DIR"), ("export", "RECORDING")],
)
def test_usage_names_what_is_given_first(capsys, verb, positional):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    usage = capsys.readouterr().out.splitlines()[0].split()
    assert positional in usage
    assert not {"STR", "PATH", "[[PATH"} & set(usage[: usage.index(positional)])


def test_help_loads_no_torch():
    script = (
        "import sys; from policyscope.cli.main import main\n"
        "try: main(['record', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "policyscope record highway-ego-attention" in done.stdout
