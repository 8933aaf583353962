"""Jobs: real commands in the background, two at once, cancelled, failing, outliving nothing."""

import os
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.progress import VARIABLE, read_progress, tell_progress
from policyscope.core.result import Result
from policyscope.panel.contract.work import Job, JobRequest
from policyscope.panel.jobs.jobs import Jobs, _free
from policyscope.panel.jobs.options import option_flags
from policyscope.panel.shelf.shelf import Shelf

SITE = "attention_layer.pattern"
#: Resamples that take minutes.
ENDLESS = 3_000_000


@pytest.fixture
def shelf(recorded, tmp_path) -> Shelf:
    shutil.copytree(recorded, tmp_path / "runs/rec")
    return Shelf(tmp_path / "runs")


@pytest.fixture
def jobs():
    jobs = Jobs()
    yield jobs
    jobs.close()


def request(method: str = "attention", **options) -> JobRequest:
    return JobRequest(recording="rec", method=method, options=options)


def traced(**more) -> JobRequest:
    return request("traces", site=SITE, **more)


def until(jobs: Jobs, name: str, holds, seconds: float = 30) -> Job:
    end = time.monotonic() + seconds
    while not holds(jobs.get(name)):
        assert time.monotonic() < end, jobs.get(name)
        time.sleep(0.02)
    return jobs.get(name)


def explain_folder(shelf: Shelf) -> Path:
    return shelf.folder / "rec/explain"


def test_two_jobs_run_at_once_to_their_results(shelf, jobs):
    first = jobs.begin(shelf, traced(episode=1))
    second = jobs.begin(shelf, traced(episode=2))
    assert (first.state, first.done, first.result, first.ended) == ("running", 0, None, None)
    with pytest.raises(PolicyscopeError, match="2 jobs are running; wait for one or cancel it"):
        jobs.begin(shelf, traced())
    assert [job.id for job in jobs.all()] == [second.id, first.id]
    done = [jobs.wait(job.id, 50) for job in (first, second)]
    for job, episode, name in zip(done, (1, 2), ("traces", "traces-2"), strict=True):
        assert (job.state, job.done, job.total) == ("done", 2, 2), job.message
        assert Result.load(shelf.folder_of("result", job.result)).data.attrs["episode"] == episode
        assert shelf.folder_of("result", job.result).name == name
        assert job.ended >= job.began
        words = shlex.split(job.command)
        assert words[:2] == ["policyscope", "explain"]
        assert words[words.index("--episode") + 1] == str(episode)
        assert words[2] == shelf.typed(shelf.folder_of("recording", "rec"))
        assert str(shelf.folder) not in job.message
    assert jobs.cancel(first.id) == done[0], "one that has ended stays as it is"
    with pytest.raises(UnknownName, match="job 'nothing'"):
        jobs.get("nothing")


def test_a_failed_check_is_a_result_and_a_failed_command_is_none(shelf, jobs):
    failing = jobs.begin(shelf, request("traces", site="no.such.site"))
    explained = jobs.begin(shelf, request(resamples=100))
    failed = jobs.wait(failing.id, 50)
    assert (failed.state, failed.result) == ("failed", None)
    assert failed.message.startswith("unknown site 'no.such.site'")
    assert failed.ended
    told = until(jobs, explained.id, lambda job: job.done == 1 or job.state != "running", 50)
    assert told.total == 2
    done = jobs.wait(explained.id, 50)
    assert done.state == "done", done.message
    assert shelf.folder_of("result", done.result).name == "attention"
    assert sorted(p.name for p in explain_folder(shelf).iterdir()) == ["attention"]


def test_a_cancelled_job_leaves_nothing(shelf, jobs):
    slow = jobs.begin(shelf, request(resamples=ENDLESS))
    until(jobs, slow.id, lambda job: job.message == "computing")
    process = jobs._run(slow.id).command._process
    time.sleep(0.5)
    began = time.monotonic()
    cancelled = jobs.cancel(slow.id)
    assert time.monotonic() - began < 10
    assert (cancelled.state, cancelled.result, cancelled.message) == (
        "cancelled", None, "cancelled",
    )  # fmt: skip
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not explain_folder(shelf).exists() or not list(explain_folder(shelf).iterdir())
    assert jobs.get(slow.id) == cancelled


def test_what_was_half_written_is_removed_and_no_more(shelf, jobs):
    folder = explain_folder(shelf)
    (folder / "attention").mkdir(parents=True)
    (folder / "attention/mine.txt").write_text("kept")
    slow = jobs.begin(shelf, request(resamples=ENDLESS))
    for path in (folder / "attention-2", folder / ".attention-2.0a0a.part"):
        path.mkdir()
    (folder / ".attention.0b0b.part").mkdir()  # somebody else's
    assert jobs.cancel(slow.id).state == "cancelled"
    left = sorted(p.name for p in folder.iterdir())
    assert left == [".attention.0b0b.part", "attention"]
    assert (folder / "attention/mine.txt").read_text() == "kept"


def test_one_that_does_not_listen_is_killed(shelf, jobs):
    slow = jobs.begin(shelf, request(resamples=ENDLESS))
    until(jobs, slow.id, lambda job: job.message == "computing")
    run = jobs._run(slow.id)
    os.kill(run.command._process.pid, signal.SIGSTOP)  # a stopped process hears no interrupt
    run.cancelled = True
    began = time.monotonic()
    run.command.stop(patience=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert jobs.get(slow.id).state == "cancelled"


def test_when_the_server_stops_all_jobs_do(shelf):
    jobs = Jobs()
    slow = [jobs.begin(shelf, request(resamples=ENDLESS)) for _ in range(2)]
    jobs.close()
    assert [jobs.get(job.id).state for job in slow] == ["cancelled"] * 2
    with pytest.raises(PolicyscopeError, match="the server stops"):
        jobs.begin(shelf, request())
    jobs.close()


def test_what_cannot_be_begun(shelf, jobs):
    for wanted, kind, message in [
        (JobRequest(recording="../rec", method="attention"), UnknownName, "recording"),
        (request("magic"), UnknownName, "method 'magic'"),
        (request(out=1), UnknownName, "option of 'attention' 'out'. .*resamples"),
        (request(command="x"), UnknownName, "option"),
        (request(resamples=5), PolicyscopeError, "at least 100"),
        (request(resamples="many"), PolicyscopeError, "takes int, got 'many'"),
        (request(resamples=True), PolicyscopeError, "takes int"),
        (request(resamples=150.5), PolicyscopeError, "takes int"),
        (request("traces", site="--out"), PolicyscopeError, "begin with '-'"),
        (request("traces", site=""), PolicyscopeError, "empty"),
        (request("traces", site=SITE, episode=-1), PolicyscopeError, "begin with '-'"),
    ]:
        with pytest.raises(kind, match=message):
            jobs.begin(shelf, wanted)
    assert jobs.all() == []


def test_flags_are_those_of_the_command_line():
    assert option_flags("attention", {"resamples": 500, "horizon": 2}) == [
        "--attention.resamples", "500", "--attention.horizon", "2",
    ]  # fmt: skip
    assert option_flags("traces", {"site": "a b;c", "episode": 3}) == [
        "--site", "a b;c", "--episode", "3",
    ]  # fmt: skip


def test_no_result_is_overwritten(tmp_path):
    for name in ("traces", "traces-2"):
        (tmp_path / name).mkdir()
    assert _free(tmp_path, "traces", {tmp_path / "traces-3"}) == tmp_path / "traces-4"
    assert _free(tmp_path, "attention", set()) == tmp_path / "attention"


def test_progress_is_told_only_to_who_asks(capfd, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    tell_progress(1, 2, "drawing")
    assert capfd.readouterr().err == ""
    monkeypatch.setenv(VARIABLE, "1")
    tell_progress(1, 2, "drawing")
    line = capfd.readouterr().err
    assert read_progress(line) == {"done": 1, "total": 2, "doing": "drawing"}
    for other in ("", "figure: x", "{", '{"done": 1}', '{"done": "x", "total": 1, "doing": ""}'):
        assert read_progress(other) is None
