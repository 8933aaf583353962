"""``policyscope panel``: what it says, what it refuses, Ctrl-C."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording of one episode with attention."""
    from policyscope.agents.store import load_agent
    from policyscope.recordings.record import record

    agent, folder = load_agent("highway-ego-attention"), tmp_path_factory.mktemp("recorded")
    record(agent, None, 1, 0, ["attention_layer.pattern"], folder / "rec")
    return folder / "rec"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_it_and_its_jobs_end_however_it_is_told_to_end(recorded, tmp_path, sign):
    shutil.copytree(recorded, tmp_path / "rec")
    wanted = {"recording": "rec", "method": "attention", "options": {"resamples": 3_000_000}}
    with panel(tmp_path) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        headers = {"Content-Type": "application/json", "Origin": address.rstrip("/")}
        request = urllib.request.Request(
            f"{address}api/jobs", json.dumps(wanted).encode(), headers, method="POST"
        )
        urllib.request.urlopen(request, timeout=20).close()
        until(lambda: b'"computing"' in fetch(f"{address}api/jobs")[1])
        assert jobs_in(tmp_path)
        process.send_signal(sign)
        _, complaints = process.communicate(timeout=20)
        until(lambda: not jobs_in(tmp_path))
    assert (process.returncode, complaints) == (-sign if sign == signal.SIGKILL else 0, "")
    explained = tmp_path / "rec/explain"
    assert not explained.exists() or not list(explained.iterdir())


def jobs_in(folder) -> list[str]:
    """Processes that explain something in a folder."""
    ps = subprocess.run(["ps", "axww", "-o", "command"], capture_output=True, text=True, check=True)
    return [line for line in ps.stdout.splitlines() if " explain " in line and str(folder) in line]


def until(holds) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_folder_without_anything_names_the_command_that_makes_something(tmp_path):
    """Started as ``nohup`` does, a hangup does not end it; what else asks it to end, does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # processes inherit it
    try:
        with panel(".", cwd=tmp_path) as (process, address):
            assert process.stdout.readline() == "Ctrl-C ends it\n"
            told = process.stdout.readline()
            process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            status, library = fetch(f"{address}api/library")
            assert status == 200
            assert b'"recordings":[]' in library
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=20)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (process.returncode, complaints) == (0, "")
    assert told.startswith(". holds no recordings and no results; ")
    assert told.endswith("policyscope record highway-ego-attention --out rec\n")


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
        "open('imported', 'w').close()\n"
    )
    with panel(".", "--plugin", "my_method", cwd=tmp_path) as (_, address):
        assert (tmp_path / "imported").exists()
        told = fetch(f"{address}api/library")[1]
    assert b'"attention"' in told
    assert b'"mine"' not in told, "a job's own process would not know it"


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
