"""Modules of the user's own: by name, by file, by the environment variable."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

from policyscope.core import plugins, registry
from policyscope.core.errors import PolicyscopeError
from policyscope.core.plugins import VARIABLE, import_modules, import_named_plugins
from policyscope.core.registry import find, register


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


def test_a_name_that_is_installed_leaves_the_path_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    import_modules(["json", "policyscope.core.errors"], "--plugin")
    assert sys.path == before


@pytest.mark.parametrize("plugin", ["json", "plugin_beside", "plugin_beside.py"])
def test_what_lies_in_the_working_folder_hides_no_package(tmp_path, monkeypatch, plugin):
    (tmp_path / "plugin_beside.py").write_text("import plugin_helper\n")
    (tmp_path / "plugin_helper.py").write_text("")
    (tmp_path / "safetensors.py").write_text("open('hijacked', 'w').close()\n")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {VARIABLE: plugin}
    show = "from policyscope.cli.main import main; main(['show', 'highway-ego-attention'])"
    boot = f"import sys; sys.path[:] = {[p for p in sys.path if p]!r}; {show}"
    argv = [sys.executable, "-c", boot]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "ego_attention" in done.stdout, done.stderr
    assert not (tmp_path / "hijacked").exists()


def test_a_file_is_loaded_from_where_it_lies(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "plugin_placed.py").write_text("import plugin_sibling\nx = 1\n")
    (tmp_path / "deep" / "plugin_sibling.py").write_text("")
    monkeypatch.chdir(tmp_path)
    import_modules(["deep/plugin_placed.py"], "--plugin")
    assert import_module("plugin_placed").x == 1
    monkeypatch.setitem(registry._ENTRIES, "network", {})
    register("network", "placed", "plugin_placed:x")
    assert find("network", "placed") == 1


def test_a_file_called_as_an_installed_module_is_refused_before_it_is_run(tmp_path, monkeypatch):
    """The module need not be imported yet."""
    assert "sndhdr" not in sys.modules
    (tmp_path / "sndhdr.py").write_text("import sys\nsys.plugin_ran = True\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyscopeError, match="another module is called sndhdr"):
        import_modules(["sndhdr.py"], "--plugin")
    assert not hasattr(sys, "plugin_ran")


def test_a_file_that_failed_is_run_again(tmp_path, monkeypatch):
    (tmp_path / "plugin_mended.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyscopeError):
        import_modules(["plugin_mended.py"], "--plugin")
    (tmp_path / "plugin_mended.py").write_text("mended = True\n")
    import_modules(["plugin_mended.py"], "--plugin")
    assert sys.modules["plugin_mended"].mended


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
