"""``policyscope export``: where the page goes, what is said, Ctrl-C, fast help."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from policyscope.cli.main import main


def test_writes_beside_the_recording_and_tells_the_size(recorded, capsys):
    assert main(["export", str(recorded)]) == 0
    page = recorded.parent / "rec.html"
    said = capsys.readouterr().out
    assert f"wrote {page}: all 3 episodes, {page.stat().st_size / 1e6:.2f} MB" in said
    assert str(recorded) not in page.read_text()


def test_one_episode_to_a_file_of_choice(recorded, tmp_path, capsys):
    out = tmp_path / "one.html"
    assert main(["export", str(recorded), "2", "--out", str(out)]) == 0
    assert "1 of 3 episodes" in capsys.readouterr().out
    assert '"episode":2' in out.read_text()
    assert '"episode":1,' not in out.read_text()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["9"], "no episode 9; it has 3, 0 to 2"),
        (["--site", "attention_layer.patern"], "Did you mean attention_layer.pattern?"),
        (["--serve", "--port", "99999"], "--port must be 0 to 65535, got 99999"),
    ],
)
def test_errors_are_one_line(recorded, tmp_path, capsys, flags, told):
    assert main(["export", str(recorded), *flags, "--out", str(tmp_path / "p.html")]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "p.html").exists()


def test_a_folder_that_is_no_recording(tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 2
    assert "is no recording" in capsys.readouterr().err


def test_serves_until_ctrl_c(recorded, tmp_path):
    command = [
        sys.executable, "-m", "policyscope.cli.main", "export", str(recorded), "--serve",
        "--port", "0", "--out", str(tmp_path / "p.html"),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            assert "all 3 episodes" in process.stdout.readline()
            address = process.stdout.readline().split()[1]
            with urllib.request.urlopen(address, timeout=5) as answer:
                assert answer.read() == (tmp_path / "p.html").read_bytes()
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, complaints) == (0, "")


def test_help_does_not_load_torch():
    code = (
        "import sys; from policyscope.cli.export import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'xarray' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "policyscope export runs/rec --serve" in done.stdout
