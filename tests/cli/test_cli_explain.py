"""``policyscope explain``: its methods are the registered ones."""

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
