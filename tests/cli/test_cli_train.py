"""``policyscope train``: flags, refusals in one line, runs that other verbs go on with."""

import re
from dataclasses import fields

import pytest

from policyscope.cli.main import main
from policyscope.training.dqn.config import DQNConfig
from policyscope.training.log import read_curve
from policyscope.training.ppo.config import PPOConfig

TINY = ["widths=[4,4,4]", "lanes=2", "horizon=8", "minibatches=2", "epochs=1"]


def run(*argv: str) -> int:
    return main(["train", *argv])


def tiny(out, *more: str) -> list[str]:
    settings = [part for text in TINY for part in ("--set", text)]
    flags = ["--steps", "16", "--watch-every", "16", "--watch-episodes", "1", "--threads", "1"]
    return ["ppo", "--mode", "easy", *settings, *flags, "--out", str(out), *more]


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_help_names_the_algorithms_with_examples(argv, capsys):
    assert run(*argv) == 0
    text = capsys.readouterr().out
    assert all(f"policyscope train {name}" in text for name in ("dqn", "ppo"))


@pytest.mark.parametrize(
    ("algorithm", "config", "lines"),
    [
        ("dqn", DQNConfig, ["  n_step  steps of reward before the bootstrap (paper 1, fast 3)",
                            "  heads  heads of an ego-attention network (4)",
                            "  huber  Huber loss in place of the mean squared error (paper false, "
                            "fast true)"]),
        ("ppo", PPOConfig, ["  max_grad  bound on the norm of a gradient (0.5)",
                            "  widths  channels of the network's convolutions, or widths of its "
                            "perceptrons; empty for its own default ([])"]),
    ],
)  # fmt: skip
def test_help_names_every_setting_with_its_values_and_its_meaning(capsys, algorithm, config, lines):
    with pytest.raises(SystemExit) as end:
        run(algorithm, "--help")
    assert not end.value.code
    below = capsys.readouterr().out.partition("settings of --set name=value")[2]
    assert max(map(len, below.splitlines())) <= 80
    told = re.sub(r"\n {8,}", " ", below)
    found = re.findall(r"^  (\w+)  +\S.*\(.+\)$", told, re.MULTILINE)
    assert found == [field.name for field in fields(config)]
    plain = [re.sub(r"  +", "  ", line) for line in told.splitlines()]
    assert set(lines) <= set(plain)


def test_trains_on_coinrun_and_the_run_is_an_agent(tmp_path, capsys):
    assert run(*tiny(tmp_path / "run", "--levels", "0:10")) == 0
    assert "16 steps" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "run")]) == 0
    assert run(*tiny(tmp_path / "run", "--levels", "0:10")) != 0
    assert "--resume" in capsys.readouterr().err


def test_says_the_steps_that_are_run_and_counts_episodes_that_ended(tmp_path, capsys):
    settings = ["lanes=4", "learn_start=8", "batch=8"]
    flags = [part for text in settings for part in ("--set", text)]
    flags += ["--env-set", "duration=2", "--workers", "0"]
    rounded = "16 steps will be run for the 14 asked for: whole iterations of 4"
    for steps, told in (("14", [rounded]), ("16", [])):
        assert run("dqn", *flags, "--steps", steps, "--out", str(tmp_path / steps)) == 0
        said = capsys.readouterr().err
        assert [line for line in said.splitlines() if "asked for" in line] == told
        rows = [r for r in read_curve(tmp_path / steps / "curve.jsonl") if "return" in r]
        assert len(rows) == 8
        assert "16 steps, 8 episodes; next" in said


def test_says_whole_iterations_of_ppo(tmp_path, capsys):
    few = ["--levels", "0:10", "--steps", "17", "--watch-every", "0"]
    assert run(*tiny(tmp_path / "run", *few)) == 0
    said = capsys.readouterr().err
    assert "32 steps will be run for the 17 asked for: whole iterations of 16\n" in said
    assert "32 steps, 0 episodes; next" in said


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--levels", "10"], "A:B"),
        (["--levels", "0:300000"], "kept for evaluation"),
        (["--mode", "lethal"], "easy"),
        (["--preset", "classic"], "does not take observations"),
        (["--teacher", "nobody"], "nobody"),
        (["--set", "gama=1"], "gamma"),
        (["--threads", "0"], "--threads"),
        (["--env", "gym:CartPole-v1"], "mode"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_leaves_nothing(tmp_path, capsys, more, message):
    assert run(*tiny(tmp_path / "run", *more)) != 0
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "run").exists()


def test_an_unknown_algorithm_names_the_known_ones(capsys):
    assert run("pppo") != 0
    assert "ppo" in capsys.readouterr().err
