"""What the system refuses and Ctrl-C while a file is written: one line, and no torn file."""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.agents.store import save_agent
from policyscope.cli.main import main
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec

ARGUMENTS = {"embedding": [16], "width": 16, "heads": 2, "decoder": [16]}


@pytest.fixture(scope="module")
def agent(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    spec = versioned(EnvSpec("highway/intersection", {"duration": 3}))
    net = EgoAttentionNetwork(**ARGUMENTS)
    folder = tmp_path_factory.mktemp("saved") / "agent"
    save_agent(Agent(net, ("ego_attention", ARGUMENTS), "q", make(spec).space, env=spec), folder)
    return folder


@pytest.fixture(scope="module")
def recording(agent, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "rec"
    sites = ["--sites", "attention_layer.pattern"]
    assert main(["record", str(agent), "--episodes", "2", *sites, "--out", str(folder)]) == 0
    return folder


def one_line(capsys, argv, code=2) -> str:
    capsys.readouterr()
    assert main([str(word) for word in argv]) == code
    said = capsys.readouterr().err.splitlines(keepends=True)
    assert len(said) == 1 or argv[0] == "record", said  # its budget and progress come before
    assert sum(line.startswith("error: ") for line in said) == (code == 2)
    return said[-1]


def test_places_that_cannot_be_written(agent, recording, tmp_path, capsys):
    (tmp_path / "file").touch()
    for argv, told in (
        (["evaluate", agent, "--episodes", 1, "--workers", 0, "--baselines", "none", "--no-cache",
          "--json", tmp_path], f"error: {tmp_path}: Is a directory (name a file in it)"),
        (["explain", recording, "--attention.resamples", 100, "--out", "/proc/x"],
         "error: /proc/x: No such file or directory"),
        (["export", recording, "--out", "/proc/x/page.html"], "error: /proc/x/page.html: "),
        (["export", recording, "--out", tmp_path], f"error: {tmp_path}: "),
        (["watch", agent, "--out", "/proc/x"], "error: /proc/x: "),
        (["record", agent, "--out", tmp_path / "file/rec"], f"error: {tmp_path / 'file/rec'}: "),
        (["record", agent, "--out", "/proc/x"], "error: /proc/x: cannot write the recording: No "),
    ):  # fmt: skip
        assert one_line(capsys, argv).startswith(told), argv
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_is_full_while_a_recording_begins(agent, tmp_path, monkeypatch, capsys):
    from policyscope.agents import store

    right = store.atomic_file

    @contextmanager
    def refuse(path):
        with right(path) as beside:
            if str(tmp_path / "rec") in str(path):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield beside

    monkeypatch.setattr(store, "atomic_file", refuse)
    said = one_line(capsys, ["record", agent, "--episodes", 1, "--out", tmp_path / "rec"]).strip()
    assert said.startswith(f"error: {tmp_path / 'rec'}: ")
    assert "No space left on device" in said


def test_a_temporary_folder_that_is_full_is_told(agent, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("policyscope.recordings.budget.prepare", refuse)
    said = one_line(capsys, ["record", agent, "--episodes", 1, "--out", tmp_path / "rec"])
    assert "the probe of the recording's size cannot be written: No space left on device" in said
    assert "set TMPDIR" in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            "error: runs/x: No space left on device (make room on its disk or choose another "
            "place)\n",
        ),
        (
            SafetensorError("I/O error: Permission denied (os error 13)"),
            "error: a file: Permission denied (mend its permissions or choose another path)\n",
        ),
        (OSError("Detail: of a library\nthat has no number"),
         "error: a file: Detail: of a library that has no number\n"),
    ],
)  # fmt: skip
def test_any_verb_tells_what_the_system_refuses(monkeypatch, capsys, error, said):
    import policyscope.cli.show as show

    def refuse(_argv):
        raise error

    monkeypatch.setattr(show, "main", refuse)
    assert one_line(capsys, ["show", "x"]) == said


def test_an_error_of_ours_is_no_refusal_of_the_system(monkeypatch):
    import policyscope.cli.show as show

    def mistake(_argv):
        raise ZeroDivisionError

    monkeypatch.setattr(show, "main", mistake)
    with pytest.raises(ZeroDivisionError):
        main(["show", "x"])


@pytest.mark.parametrize(
    "argv",
    [
        ["export", "RECORDING", "--out", "OUT/page.html"],
        ["explain", "RECORDING", "--attention.resamples", "100", "--out", "OUT/explained"],
        ["watch", "AGENT", "--episodes", "1", "--size", "64", "--out", "OUT"],
    ],
    ids=lambda argv: argv[0],
)
def test_ctrl_c_while_a_file_is_written_leaves_nothing_torn(
    agent, recording, tmp_path, monkeypatch, capsys, argv
):
    real = os.fsync
    written = []

    def interrupt(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.startswith(str(tmp_path / "out")):
            written.append(path)
            raise KeyboardInterrupt
        real(descriptor)

    monkeypatch.setattr(os, "fsync", interrupt)
    out = tmp_path / "out"
    out.mkdir()
    places = {"RECORDING": str(recording), "AGENT": str(agent), "OUT": str(out)}
    for word, place in places.items():
        argv = [a.replace(word, place) for a in argv]
    said = one_line(capsys, argv, code=130)
    assert said == "stopped\n", "nothing is kept"
    assert written
    assert list(out.rglob("*")) == []
