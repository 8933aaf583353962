"""``policyscope train``: flags, refusals in one line, runs that other verbs go on with."""

import pytest

from policyscope.cli.main import main

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


def test_trains_on_coinrun_and_the_run_is_an_agent(tmp_path, capsys):
    assert run(*tiny(tmp_path / "run", "--levels", "0:10")) == 0
    assert "16 steps" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "run")]) == 0
    assert run(*tiny(tmp_path / "run", "--levels", "0:10")) != 0
    assert "--resume" in capsys.readouterr().err


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
