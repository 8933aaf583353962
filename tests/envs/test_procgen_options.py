"""What can be set of Procgen, and what the engine has and is not offered."""

import runpy
from pathlib import Path

import pytest

from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.procgen import layout
from policyscope.envs.procgen.options import (
    DEFAULTS,
    MODES,
    NOT_OFFERED,
    engine_options,
    require_mode,
    settings,
)

WHY = {
    "use_sequential_levels": "a seed would no longer stand for one level",
    "use_generated_assets": "states with generated pictures are not read",
    "debug_mode": "changes the engine's own code",
}


@pytest.mark.parametrize("name", WHY)
@pytest.mark.parametrize("value", [True, False, 0])
def test_an_option_that_is_not_offered_is_refused_with_the_reason(name, value):
    with pytest.raises(PolicyscopeError) as caught:
        settings({name: value})
    told = str(caught.value)
    assert told.startswith(f"option {name} of the engine is not offered: ")
    assert WHY[name] in told
    assert told.endswith("; leave it out")
    assert "Did you mean" not in told
    assert "\n" not in told


def test_the_command_line_says_so_too(capsys):
    flags = ["--env", "procgen/coinrun", "--env-set", "use_generated_assets=true"]
    assert main(["evaluate", "coinrun-gru", "--episodes", "2", *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: option use_generated_assets of the engine is not offered: ")
    assert err.count("\n") == 1


def test_options_are_offered_or_not_and_others_are_guessed_at():
    assert set(NOT_OFFERED) == set(WHY)
    assert not NOT_OFFERED.keys() & DEFAULTS.keys()
    assert engine_options({})["use_generated_assets"] is False
    with pytest.raises(UnknownName, match="Did you mean use_backgrounds"):
        settings({"use_background": True})


def test_every_readable_game_and_mode_is_fuzzed():
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    kinds = set(runpy.run_path(str(Path(__file__).with_name("fuzz_procgen.py")))["KINDS"])

    def has(game, mode):
        try:
            require_mode(game, mode)
        except UnknownName:
            return False
        return True

    assert kinds == {(game, mode) for game in layout.TAILS for mode in MODES if has(game, mode)}
