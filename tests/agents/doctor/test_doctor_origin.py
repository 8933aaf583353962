"""Tensors of a file beside an agent's weights, whatever their layout and whatever the card says."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.doctor.examine import _weights, examine
from policyscope.agents.doctor.origin import compare_origin
from policyscope.agents.doctor.originals import FORMULAS, find_original
from policyscope.agents.importers.recognise import import_agent
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.registry import names

ROOT = Path(__file__).resolve().parents[3]


def gru_file(tmp_path, name="model_500.pth", **more):
    arguments = {"widths": [2, 2, 2], "embedding": 8, "memory": 4, "actions": 15}
    weights = dict(build_network("impala_gru", arguments).state_dict())
    path = tmp_path / name
    torch.save({"state_dict": {**weights, **more}}, path)
    return path


def test_a_tensor_that_the_import_left_out_is_named(tmp_path):
    path = gru_file(tmp_path, init_hx=torch.randn(4))
    agent = import_agent(path)
    origin = compare_origin(agent, path)
    assert (origin.unused, origin.missing, origin.same_file) == (("init_hx",), (), True)
    assert (origin.weights, origin.tensors) == (len(agent.net.state_dict()), origin.weights + 1)


def test_a_weight_that_the_file_lacks_is_named_and_fails(tmp_path):
    path = gru_file(tmp_path)
    agent = import_agent(path)
    with torch.no_grad():
        agent.net.fc_value.weight[0, 0] += 1e-3
    origin = compare_origin(agent, path)
    assert (origin.unused, origin.missing) == (("fc_value.weight",), ("fc_value.weight",))
    finding = examine(agent, 32, original=path).findings[-1]
    assert finding.verdict == "FAILED"
    assert "not in it: fc_value.weight" in finding.told


def test_another_file_than_the_cards_is_seen(tmp_path):
    agent = import_agent(gru_file(tmp_path))
    other = gru_file(tmp_path, "other.pth", init_hx=torch.randn(4))
    finding = _weights(agent, other)
    assert finding.verdict == "FAILED"
    assert "another file than the card names" in finding.told


def test_without_the_file_what_the_import_recorded_is_shown(tmp_path):
    agent = import_agent(gru_file(tmp_path, init_hx=torch.randn(4)))
    finding = examine(agent, 32).findings[-1]
    assert finding.verdict == "noted"
    assert "the import of model_500.pth recorded unused: init_hx" in finding.told


@pytest.mark.parametrize("source", ["a paper", None, 3, ["a"], {}, {"file": None, "sha256": [1]}])
def test_a_card_that_tells_its_source_in_other_words_names_no_file(tmp_path, source):
    path = gru_file(tmp_path)
    agent = import_agent(path)
    agent.card["source"] = source
    finding = _weights(agent, None)
    assert finding.verdict == "not measured"
    assert "names no file" in finding.told
    assert compare_origin(agent, path).same_file is None
    assert _weights(agent, path).verdict == "passed"
    for original in (None, path):
        assert "procgen_pytorch has no library" in find_original(agent, original).told


@pytest.mark.parametrize("names", [3, None, "init_hx", {"a": 1}])
def test_a_card_whose_lists_of_weights_are_none_has_no_record_of_them(tmp_path, names):
    agent = import_agent(gru_file(tmp_path))
    agent.card["unused"] = names
    assert "recorded unused: no record; missing: none" in _weights(agent, None).told


@pytest.mark.parametrize("given", [True, False])
def test_a_lineage_without_a_library_names_the_file_of_its_formulas(tmp_path, given):
    path = gru_file(tmp_path)
    report = examine(import_agent(path), 32, original=path if given else None)
    (parity,) = [f for f in report.findings if f.name == "parity"]
    assert parity.verdict == "not measured"
    assert "procgen_pytorch has no library that can be installed" in parity.told
    file = path.name if given else "FILE"
    assert parity.told.endswith(f"--original {FORMULAS['procgen_pytorch']} --checkpoint {file}")
    assert "give the file" not in parity.told
    assert "pip install" not in parity.told
    assert report.passed
    assert report.conclusion == "nothing failed; parity was not measured"


def test_what_the_line_names_measures_it(tmp_path):
    path = gru_file(tmp_path)
    agent = import_agent(path)
    file = re.search(r"--original (\S+) ", find_original(agent, path).told)[1]
    report = examine(agent, 32, original=ROOT / file, checkpoint=path)
    assert report.findings[1].verdict == report.findings[-1].verdict == "passed"
    assert report.conclusion == "nothing failed"


def test_every_lineage_has_a_library_or_formulas(tmp_path):
    agent = import_agent(gru_file(tmp_path))
    assert set(FORMULAS) | {"stable_baselines3"} == set(names("importer"))
    for lineage, file in FORMULAS.items():
        assert (ROOT / file).is_file()
        told = import_module(f"policyscope.agents.importers.{lineage}").LINEAGE
        agent.card["lineage"] = told.format("clear")
        assert f"--original {file} --checkpoint FILE" in find_original(agent, None).told


MINE = "def original_of(checkpoint):\n    return lambda obs: {'q': checkpoint.stat()}\n"


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        (MINE, None, "its original_of reads a checkpoint .give one with --checkpoint"),
        ("def original(obs): return {}", "mine.pt", "defines no function original_of"),
        (MINE, "none.pt", "none.pt: no such file"),
        ("def original_of(path): return {}['fc']", "mine.pt", "mine.py cannot read it: no 'fc'"),
    ],
)
def test_a_file_and_its_checkpoint_that_do_not_fit_are_one_clear_line(tmp_path, text, given, said):
    agent, file = import_agent(gru_file(tmp_path)), tmp_path / "mine.py"
    file.write_text(text)
    (tmp_path / "mine.pt").write_bytes(b"my own format")
    with pytest.raises(BadFile, match=said) as caught:
        find_original(agent, file, given and tmp_path / given)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_nothing_reads_is_refused(tmp_path):
    path = gru_file(tmp_path)
    for original in (None, path):
        with pytest.raises(PolicyscopeError, match="--checkpoint is read by a file of Python"):
            examine(import_agent(path), 32, original=original, checkpoint=path)


def test_weights_of_a_format_of_ones_own_are_not_measured(tmp_path):
    agent, mine = import_agent(gru_file(tmp_path)), tmp_path / "mine.pt"
    mine.write_bytes(b"my own format")
    finding = _weights(agent, tmp_path / "mine.py", mine)
    assert finding.verdict == "not measured"
    assert "is no checkpoint" in finding.told


def test_the_page_names_the_file_of_every_lineage():
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    told = re.findall(r"policyscope doctor \S+ --original (tests/\S+) --checkpoint \S+", page)
    assert sorted(told) == sorted(FORMULAS.values())
