"""The command line as a user meets it: help, errors, exit codes."""

import os
import subprocess
import sys

import pytest

from policyscope import __version__
from policyscope.cli.flags import _first_sentence
from policyscope.cli.main import VERBS, main

HEAVY = ("torch", "pandas", "xarray", "zarr", "plotly", "highway_env", "gymnasium", "scipy")
PROBE = """
import sys
from policyscope.cli.main import main
try:
    code = main({argv!r})
except SystemExit as stop:
    code = stop.code
print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def probe(*argv):
    """Run the command in a fresh interpreter that says at the end what it had imported."""
    code = PROBE.format(argv=list(argv), heavy=HEAVY)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("argv", [["--help"], [], ["-h"], ["--version"]])
def test_top_level_imports_nothing_heavy(argv):
    done = probe(*argv)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    if argv == ["--version"]:
        assert done.stdout.strip() == __version__
    else:
        assert all(verb in done.stdout for verb in VERBS)
        assert "examples:" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_has_an_example_and_imports_nothing_heavy(verb):
    done = probe(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert f"policyscope {verb}" in done.stdout
    assert "examples:" in done.stdout
    body = done.stdout.split("examples:")[1]
    assert f"  policyscope {verb} " in body


def test_the_probe_sees_a_heavy_import():
    done = probe("show", "no-such-agent")
    assert done.returncode == 2
    assert "torch" in done.stderr


@pytest.mark.parametrize(("told", "held"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_idle_threads_sleep_unless_they_are_told_otherwise(monkeypatch, capsys, told, held):
    monkeypatch.setenv("OMP_WAIT_POLICY", told or "")
    if told is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    assert main(["--version"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == held


def test_unknown_verb_is_one_line_with_near_names(capsys):
    assert main(["evalute"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: unknown verb 'evalute'. Did you mean evaluate?")


def test_a_folder_of_nothing_is_told_as_such(tmp_path, capsys):
    assert main(["show", str(tmp_path)]) == 2
    assert "holds no agent, no training run, no recording and no result" in capsys.readouterr().err
    (tmp_path / "agent").mkdir()
    assert main(["show", str(tmp_path)]) == 2
    assert "holds no agent.json" in capsys.readouterr().err


def test_a_wrong_flag_is_one_sentence_where_no_frame_can_be_drawn():
    box = (
        "-----\nMissing from policyscope x: AGENT\n-----\nFor full helptext, run: x --help\n-----\n"
    )
    assert _first_sentence(box) == "Missing from policyscope x: AGENT"
    framed = "╭─ Parsing error ─╮\n│ bad --theme │\n│ ─────────── │\n│ For help │\n╰────╯\n"
    assert _first_sentence(framed) == "bad --theme"


def test_interruption_and_broken_pipe_end_quietly(monkeypatch, capsys):
    import policyscope.cli.show as show

    def stop(_argv):
        raise KeyboardInterrupt

    def broken(_argv):
        raise BrokenPipeError

    monkeypatch.setattr(show, "main", stop)
    assert main(["show", "x"]) == 130
    assert capsys.readouterr().err == "stopped\n"
    monkeypatch.setattr(show, "main", broken)
    assert main(["show", "x"]) == 0


def test_the_installed_command_is_this_one():
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="policyscope")
    assert script.load() is main
