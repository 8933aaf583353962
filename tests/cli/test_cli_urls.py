"""Verbs on recordings at URLs: what they read, what they want --out for, what is refused early."""

import json
import shutil
from pathlib import Path

import fsspec
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.agents.store import save_agent
from policyscope.cli.main import main
from policyscope.core.files import digest
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec

ARGUMENTS = {"embedding": [16], "width": 16, "heads": 2, "decoder": [16]}
URL = "memory://shelf/my rec"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def agent(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    spec = versioned(EnvSpec("highway/intersection", {"duration": 3}))
    net = EgoAttentionNetwork(**ARGUMENTS)
    folder = tmp_path_factory.mktemp("saved") / "agent"
    save_agent(Agent(net, ("ego_attention", ARGUMENTS), "q", make(spec).space, env=spec), folder)
    return folder


@pytest.fixture(scope="module")
def folder(agent, tmp_path_factory) -> Path:
    rec = tmp_path_factory.mktemp("recorded") / "rec"
    flags = ["--episodes", "3", "--shard-episodes", "2", "--sites", "none"]
    assert main(["record", str(agent), *flags, "--out", str(rec)]) == 0
    return rec


@pytest.fixture
def there(folder):
    """The recording in a file system that is nowhere on disk."""
    files = fsspec.filesystem("memory")
    files.pseudo_dirs[:] = [""]
    files.put(str(folder), "/shelf/my rec", recursive=True)
    yield files
    files.store.clear()


def said(capsys, argv, code: int = 0) -> str:
    capsys.readouterr()
    assert main([str(word) for word in argv]) == code, capsys.readouterr().err
    found = capsys.readouterr()
    return found.err if code == 2 else found.out


def test_check_reads_what_is_at_the_url_and_not_its_copy(there, folder, capsys):
    plain = json.loads(said(capsys, ["check", folder, "--json", "-"]))
    told = json.loads(said(capsys, ["check", URL, "--json", "-"]))
    assert told == {**plain, "recording": URL}
    said(capsys, ["show", URL])  # now the cache has a whole copy
    name = "/shelf/my rec/shards/00001/entities.parquet"
    there.pipe_file(name, there.cat_file(name)[:-1] + b"?")
    there.pipe_file("/shelf/my rec/shards/stray", b"")
    there.rm("/shelf/my rec/shards/00000", recursive=True)
    told = json.loads(said(capsys, ["check", URL, "--json", "-"], 3))
    assert sorted((f["place"], f["cause"]) for f in told["faults"]) == [
        ("shards/00000", "is missing"),
        ("shards/00001/entities.parquet", "its bytes are not those that were written"),
        ("shards/stray", "is not a part of the recording"),
    ]


def test_show_and_highlights_name_the_url(there, capsys, tmp_path):
    assert URL in " ".join(said(capsys, ["show", URL]).split())
    page = tmp_path / "page.html"
    told = said(capsys, ["highlights", URL, "--clips", "1", "--size", "64", "--out", page])
    assert told.startswith(f"{URL}:")
    assert page.stat().st_size > 1000
    assert json.loads(said(capsys, ["highlights", URL, "--json", "-"]))["recording"] == URL


@pytest.mark.parametrize("form", ["html", "parquet", "minari", "gif"])
def test_every_form_is_written_from_a_url(there, folder, capsys, tmp_path, form):
    out = tmp_path / ("rec-v0" if form == "minari" else f"page.{form}")
    if form != "minari":
        assert "needs --out FILE" in said(capsys, ["export", URL, "--to", form], 2)
    more = ["--size", "64", "--steps", "0:2"] if form == "gif" else []
    assert "wrote " in said(capsys, ["export", URL, "--to", form, *more, "--out", out])
    if form == "html":
        assert "my_rec" in out.read_text()
    if form == "parquet":
        said(capsys, ["export", folder, "--to", form, "--out", tmp_path / "plain.parquet"])
        assert (tmp_path / "plain.parquet").read_bytes() == out.read_bytes()


def test_highlights_of_a_url_want_a_page(there, capsys):
    assert "needs --out FILE" in said(capsys, ["highlights", URL], 2)


def test_nothing_at_the_url_is_told(capsys):
    for verb in ("check", "show"):
        told = said(capsys, [verb, "memory://nowhere/rec"], 2)
        assert told.startswith("error: memory://nowhere/rec: is no recording: it holds no record")
        assert told.count("\n") == 1


def test_a_url_where_a_path_is_meant_is_refused(folder, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = said(capsys, ["export", folder, "--out", "s3://bucket/page.html"], 2)
    assert told == "error: out: s3:/bucket/page.html is a URL; give a path of this machine\n"
    assert not (tmp_path / "s3:").exists()


@pytest.mark.parametrize(
    ("out", "cause"),
    [
        ("nonsense://bucket/rec", "Protocol not known: nonsense"),
        ("memory://", "names no folder"),
        ("file:///proc/rec", "cannot be written to: "),
        ("FILE/rec", "cannot write the recording: Not a directory"),
        ("/proc/rec", "cannot write the recording: "),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_probe(
    agent, tmp_path, capsys, monkeypatch, out, cause
):
    monkeypatch.setattr("policyscope.recordings.budget.estimate", lambda *_: pytest.fail("probed"))
    (tmp_path / "file").touch()
    out = out.replace("FILE", str(tmp_path / "file"))
    told = said(capsys, ["record", agent, "--episodes", "1", "--out", out], 2)
    assert told.startswith(f"error: {out}: ")
    assert cause in told
    assert told.count("\n") == 1


def test_a_package_that_a_protocol_needs_is_told_before_the_probe(agent, capsys, monkeypatch):
    def missing(_url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    monkeypatch.setattr("policyscope.recordings.budget.estimate", lambda *_: pytest.fail("probed"))
    told = said(capsys, ["record", agent, "--out", "s3://bucket/rec"], 2)
    mend = "(install what fsspec names)"
    assert told == f"error: s3://bucket/rec: Install s3fs to access S3 {mend}\n"


def test_a_place_that_can_be_written_is_left_as_it_was(agent, tmp_path, capsys, monkeypatch):
    class Probed(Exception):
        pass

    def probe(*_):
        raise Probed

    monkeypatch.setattr("policyscope.recordings.budget.estimate", probe)
    (tmp_path / "old").mkdir()
    before = digest(tmp_path), sorted(tmp_path.iterdir())
    for out in (tmp_path / "new/rec", (tmp_path / "old").as_uri(), (tmp_path / "rec").as_uri()):
        with pytest.raises(Probed):
            main(["record", str(agent), "--out", str(out)])
    assert (digest(tmp_path), sorted(tmp_path.iterdir())) == before


def test_a_recording_that_is_finished_needs_no_right_to_write(agent, folder, tmp_path, capsys):
    pytest.importorskip("fcntl")
    shutil.copytree(folder, tmp_path / "rec")
    flags = ["--episodes", "3", "--shard-episodes", "2", "--sites", "none", "--workers", "0"]
    (tmp_path / "rec").chmod(0o555)
    try:
        said(capsys, ["record", agent, *flags, "--out", tmp_path / "rec"])
    finally:
        (tmp_path / "rec").chmod(0o755)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_a_cluster_that_does_not_answer_is_told_before_the_probe(
    agent, tmp_path, capsys, monkeypatch, address
):
    pytest.importorskip("distributed")
    monkeypatch.setattr("policyscope.recordings.budget.estimate", lambda *_: pytest.fail("probed"))
    monkeypatch.setattr("policyscope.rollouts.cluster.WAIT_SECONDS", 0.5)
    told = said(capsys, ["record", agent, "--cluster", address, "--out", tmp_path / "rec"], 2)
    assert told.startswith(f"error: no dask scheduler answers at {address} (")
    assert told.count("\n") == 1
    assert not (tmp_path / "rec").exists()
