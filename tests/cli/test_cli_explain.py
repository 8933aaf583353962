"""``policyscope explain``: its methods are the registered ones."""

import pytest

from policyscope.cli.explain_methods import COMMANDS
from policyscope.cli.main import main
from policyscope.core import registry


def test_each_registered_method_has_a_command_line():
    assert sorted(COMMANDS) == registry.names("method")


def test_a_method_without_a_command_line_is_told(monkeypatch, tmp_path, capsys):
    methods = {**registry._ENTRIES["method"], "mine": "my_method:mine"}
    monkeypatch.setitem(registry._ENTRIES, "method", methods)
    assert main(["explain", str(tmp_path), "--method", "mine"]) == 2
    assert capsys.readouterr().err == (
        "error: method 'mine' has no command line; call it from Python, "
        "or take attention or attribution or memory or through_time or traces\n"
    )


def refusal(capsys, *words):
    """What is told of a question that cannot be asked."""
    assert main(["explain", *words]) == 2
    return capsys.readouterr().err


def test_a_target_without_a_method_is_told_to_name_one(tmp_path, capsys):
    told = refusal(capsys, f"{tmp_path}:3:5", "--target", "value")
    assert "name one, such as --method integrated_gradients" in told


def test_an_audit_without_its_figures_is_refused(tmp_path, capsys):
    told = refusal(capsys, str(tmp_path), "--audit", "--attribution.no-trust")
    assert "leave out --attribution.no-trust" in told


@pytest.mark.parametrize("method", ["integrated_gradients", "through_time"])
@pytest.mark.parametrize("flag", ["--target", None])
def test_targets_that_no_command_can_answer_say_what_to_ask(tmp_path, capsys, method, flag):
    group = "through_time" if method == "through_time" else "attribution"
    flag = flag or f"--{group}.target"
    told = refusal(capsys, str(tmp_path), "--method", method, flag, "q[GO]@t+2-value @t+ 2")
    assert "looks ahead: ask 'q[GO]-value' of that step itself, as REC:EPISODE:STEP" in told
    assert ("--method through_time" in told) == (method != "through_time")
    assert "evaluate_terms" not in told
    told = refusal(capsys, str(tmp_path), "--method", method, flag, "direction[ica/3]")
    assert "none can be given on the command line; in Python give it as asking.score.score" in told
    assert "directions={'ica/3': Direction(" in told


def test_targets_that_a_method_cannot_take_are_refused_before_anything_is_read(tmp_path, capsys):
    nothing = str(tmp_path / "nothing")
    told = refusal(capsys, nothing, "--method", "sarfa", "--target", "value")
    assert "SARFA is about an action: take a target such as q[taken]" in told
    told = refusal(capsys, nothing, "--method", "grad_cam", "--target", "same[policy]")
    assert "slope there is 0: take --method occlusion" in told
