"""``fork``, ``field`` and ``why-not``: what they print, write and refuse."""

import json

import pytest

from policyscope.agents.store import load_agent
from policyscope.cli.main import main
from policyscope.core.result import Result
from policyscope.recordings.record import record


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coinrun") / "rec"
    record(load_agent("coinrun-gru"), None, 2, 8, [], folder)
    return folder


def test_fork_writes_a_page_with_both_futures(coinrun, capsys):
    line = ["fork", f"{coinrun}:0:20", "--edit", "remove crate", "--seeds", "2", "--size", "64"]
    assert main(line) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Episode 0, step 20; remove crate" in told
    assert "2 pairs (the world draws what it drew when it was recorded): both futures" in told
    assert "differ from the recording: 0 <= 0" in told
    (out,) = (coinrun / "forks").iterdir()
    assert out.name.startswith("0-20-")
    page = (out / "figure.html").read_text()
    assert 'src="data:video/mp4;base64,' in page
    assert (out / "clip.mp4").read_bytes()[4:8] == b"ftyp"
    assert Result.load(out).parameters["told"][0].startswith("remove crate")


def test_fork_puts_out_json(coinrun, tmp_path, capsys):
    line = ["fork", f"{coinrun}:0:20", "--edit", "zero gru.gru.memory[1]", "--seeds", "2"]
    line += ["--null", "2", "--during", "1", "--clip", "none", "--out", str(tmp_path / "fork")]
    assert main([*line, "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["episode"], values["step"], values["pairs"]) == (0, 20, 2)
    assert len(values["null"]) == 2
    assert len(values["return"]["kept"]) == len(values["outcome"]["changed"]) == 2
    assert values["passed"] is True
    assert not (tmp_path / "fork" / "clip.mp4").exists()
    assert main([*line, "--json", str(tmp_path / "values.json")]) == 0
    assert json.loads((tmp_path / "values.json").read_text()) == values
    assert "Changed minus kept" in capsys.readouterr().out


def test_each_question_has_a_folder_of_its_own(coinrun, capsys):
    for edit in ("remove crate", "move player x=3 y=50"):
        main(["fork", f"{coinrun}:1:3", "--edit", edit, "--seeds", "1", "--clip", "none"])
    told = capsys.readouterr().out
    folders = list((coinrun / "forks").glob("1-3-*"))
    assert len(folders) == told.count("page: ") >= 1


def test_field_tells_how_many_places_change(coinrun, capsys):
    line = ["field", f"{coinrun}:0:20", "--edit", "remove crate", "--around", "2", "--json", "-"]
    assert main(line) == 0
    values = json.loads(capsys.readouterr().out)
    assert set(values["best"]) == {"kept", "changed"}
    assert len(values["places"]) == len(values["best"]["kept"]) == len(values["value"]["kept"])
    assert len(list((coinrun / "fields").glob("0-20-*/figure.html"))) == 1
    assert main(line[:-2]) == 0
    assert f"put on {len(values['places'])} places" in " ".join(capsys.readouterr().out.split())


def test_why_not_tells_the_nearest_change(coinrun, capsys):
    assert main(["why-not", f"{coinrun}:0:20", "DOWN", "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["action"] == "DOWN"
    suffice = [change["margin"] > 0 for change in values["changes"]]
    assert suffice == sorted(suffice, reverse=True)
    assert main(["why-not", f"{coinrun}:0:20", "DOWN", "--limit", "2"]) == 0
    told = capsys.readouterr().out
    assert values["changes"][0]["told"] in " ".join(told.split())
    assert f"and {len(suffice) - 2} more (--limit, --json)" in told
    assert len(list((coinrun / "why-not").glob("0-20-*/figure.html"))) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["fork", "rec"], "'rec' names no step of a recording; write REC:EPISODE:STEP"),
        (["fork", "rec:1:x"], "names no step"),
        (["field", "rec:-1:2"], "names no step"),
        (["fork", "REC:0:20"], "nothing to change; give --edit"),
        (
            ["fork", "REC:0:20", "--edit", "remove 2", "--clip", "all"],
            "--clip takes the number of a pair or none",
        ),
        (["fork", "REC:0:20", "--edit", "remove dragon"], "there is no dragon at this step"),
        (
            ["fork", "REC:0:20", "--edit", "remove 2", "--clip", "9", "--seeds", "2"],
            "--clip 9: there are pairs 0..1",
        ),
        (["fork", "REC:0:20", "--edit", "remove 2", "--seeds", "0"], "seeds must be at least 1"),
        (["fork", "REC:0:20", "--edit", "remove 2", "--out", "."], "exists and is no result"),
        (["fork", "REC:0:20", "--edit", "remove 2", "--fps", "nan"], "--fps must lie above 0"),
        (["fork", "REC:0:20", "--edit", "remove 2", "--during", "0"], "during must be at least 1"),
        (["fork", "memory://rec:0:20", "--edit", "remove 2"], "a recording at a URL needs --out"),
        (["export", "REC", "--out", "clip.avi"], "unknown ending of --out 'avi'"),
        (["field", "REC:0:999"], "episode 0 has no step 999"),
        (["why-not", "REC:0:20", "FLY"], "unknown action 'FLY'"),
        (["why-not", "REC:0:20", "LEFT", "--json", "no/such/file"], "its folder does not exist"),
    ],
)
def test_what_is_refused_is_told_in_one_line(coinrun, capsys, line, told):
    assert main([word.replace("REC", str(coinrun)) for word in line]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert told in error
