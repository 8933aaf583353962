"""``report``: what it prints, writes and refuses."""

import json

import pytest

from policyscope.agents.store import load_agent
from policyscope.cli.main import main
from policyscope.recordings.record import record


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    folder = tmp_path_factory.mktemp("road") / "rec"
    record(load_agent("highway-ego-attention"), None, 2, 3, [], folder)
    return folder


def test_it_writes_a_page_and_says_what_is_in_it(road, capsys):
    line = ["report", f"{road}:1:3", "--target", "q[FASTER]-q[SLOWER]", "--seeds", "2"]
    assert main([*line, "--size", "96"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "In highway/intersection, episode 1, step 3, the agent chose" in told
    assert "target q[FASTER] - q[SLOWER] = " in told
    assert "the target" not in told  # once is enough
    assert "owed to vehicle" in told
    page = road.parent / "rec-report-1-3.html"
    assert f"wrote {page}" in told
    text = page.read_text()
    assert "How far that holds" in text
    assert "policyscope why-not rec:1:3" in text


def test_it_puts_out_json(road, tmp_path, capsys):
    page = tmp_path / "page.html"
    line = ["report", f"{road}:0:2", "--no-fork", "--size", "96", "--out", str(page)]
    line += ["--method", "input_x_gradient", "--theme", "dark", "--json", "-"]
    assert main(line) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["attribution"]["method"] == "input_x_gradient"
    assert values["fork"] is None
    assert "--no-fork" in values["missing"]["fork"]
    assert values["page"] == str(page)
    assert "color-scheme: dark" in page.read_text()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["REC"], "names no step of a recording; write REC:EPISODE:STEP"),
        (["REC:0:99"], "episode 0 has no step 99"),
        (["REC:7:0"], "there is no episode 7"),
        (["REC:0:2", "--method", "guess"], "unknown method 'guess'"),
        (["REC:0:2", "--target", "q[FLY]"], "unknown action 'FLY'"),
        (["REC:0:2", "--site", "nowhere"], "unknown site 'nowhere'"),
        (["REC:0:2", "--seeds", "0"], "--seeds must be at least 1"),
        (["REC:0:2", "--size", "5"], "--size must lie between 64 and 1024"),
        (["REC:0:2", "--out", "no/such/page.html"], "its folder does not exist"),
        (["REC:0:2", "--out", "."], "is a folder"),
        (["memory://rec:0:2"], "a recording at a URL needs --out"),
    ],
)
def test_what_is_refused_is_told_in_one_line(road, capsys, line, told):
    words = ["report", *(word.replace("REC", str(road)) for word in line)]
    if "REC" in line:
        words[1] = "REC"
    assert main(words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert told in error
