"""Modules of the user's own: by name, by file, by the environment variable."""

import sys

import pytest

from policyscope.core import plugins
from policyscope.core.errors import PolicyscopeError
from policyscope.core.plugins import VARIABLE, import_modules, import_named_plugins


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_a_name_and_the_variable_import_once(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "plugin_by_file.py"
    file.write_text("import sys\nsys.plugin_runs = getattr(sys, 'plugin_runs', 0) + 1\n")
    (tmp_path / "plugin_by_name.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "plugin_runs", 0, raising=False)
    import_modules(["plugin_by_name", "deep/plugin_by_file.py"], "--plugin")
    monkeypatch.setenv(VARIABLE, f" {file}, plugin_by_name ,")
    import_named_plugins()
    assert sys.plugin_runs == 1
    assert sys.modules["plugin_by_name"].x == 1


def test_nothing_is_imported_where_nothing_is_named(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    before = list(sys.path)
    import_named_plugins()
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_plugin", "no module named no_such_plugin"),
        ("no_such_plugin.py", "no such file"),
        ("plugin_fails.py", "division by zero"),
        ("json.py", "another module is called json"),
    ],
)
def test_what_cannot_be_imported_is_one_clear_line(tmp_path, monkeypatch, name, said):
    (tmp_path / "plugin_fails.py").write_text("1 / 0\n")
    (tmp_path / "json.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, name)
    with pytest.raises(
        PolicyscopeError, match=f"{VARIABLE} {name} cannot be imported: {said}"
    ) as caught:
        plugins.import_named_plugins()
    assert "\n" not in str(caught.value)
