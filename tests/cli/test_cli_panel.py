"""``policyscope panel``: what it says, what it refuses, Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from policyscope.cli.main import main


@contextmanager
def panel(folder, *flags, cwd=None):
    """The command as a process, once it has said its address."""
    command = [sys.executable, "-m", "policyscope.cli.main", "panel", str(folder), "--port", "0"]
    with subprocess.Popen(
        [*command, *flags], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said:
                pytest.fail(process.communicate(timeout=20)[1])
            yield process, re.search(r"http://\S+", said)[0]
        finally:
            process.kill()


def fetch(address, headers=None):
    request = urllib.request.Request(address, headers=headers or {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, answer.read()


@pytest.mark.parametrize("sign", [signal.SIGINT])
def test_serves_until_ctrl_c(tmp_path, sign):
    with panel(tmp_path) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert b'"recordings":[]' in fetch(f"{address}api/library")[1]
        process.send_signal(sign)
        _, complaints = process.communicate(timeout=20)
    assert (process.returncode, complaints) == (0, "")


def test_elsewhere_a_token_is_asked_for(tmp_path):
    with panel(tmp_path, "--host", "0.0.0.0", "--name", "lab7") as (_, printed):
        found = re.fullmatch(r"http://lab7:(\d+)/\?token=([\w-]{40,})", printed)
        assert found
        address = f"http://127.0.0.1:{found[1]}/api/library"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetch(address)
        known = {"Authorization": f"Bearer {found[2]}", "Host": f"lab7:{found[1]}"}
        assert fetch(address, known)[0] == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetch(address, {**known, "Host": "other"})


def test_a_plugin_of_the_working_folder_is_imported(tmp_path):
    (tmp_path / "my_method.py").write_text(
        "from policyscope.core.registry import register\n"
        "register('method', 'mine', 'my_method:mine')\n"
    )
    with panel(".", "--plugin", "my_method", cwd=tmp_path) as (_, address):
        assert b'"mine"' in fetch(f"{address}api/library")[1]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["none"], "none: no such folder"),
        (["file"], "file: is a file"),
        ([".", "--port", "99999"], "--port must be 0 to 65535, got 99999"),
        ([".", "--port", "x"], "--port"),
        ([".", "--host", "no.such.host.invalid"], "is no address of this machine"),
        ([".", "--plugin", "no_such_module"], "no_such_module cannot be imported: no module"),
        ([".", "--plugin", "broken_module"], "broken_module cannot be imported: told so"),
    ],
)  # fmt: skip
def test_errors_are_one_line(tmp_path, monkeypatch, capsys, flags, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken_module.py").write_text("raise ValueError('told so')\n")
    assert main(["panel", *flags, *([] if "--port" in flags else ["--port", "0"])]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_a_taken_port_is_told_before_anything_is_looked_at(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["panel", str(tmp_path), "--port", port, "--plugin", "no_such_module"]) == 2
    assert f"port {port} is taken" in capsys.readouterr().err
