"""Tensors of a file beside an agent's weights, whatever their layout and whatever the card says."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.doctor.examine import examine
from policyscope.agents.doctor.origin import compare_origin
from policyscope.agents.doctor.originals import HELD_BY, _held, find_original
from policyscope.agents.importers.recognise import import_agent
from policyscope.core.registry import names


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
    finding = examine(agent, 32, original=other).findings[-1]
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
    finding = examine(agent, 32).findings[-1]
    assert finding.verdict == "not measured"
    assert "names no file" in finding.told
    assert compare_origin(agent, path).same_file is None
    assert examine(agent, 32, original=path).findings[-1].verdict == "passed"


@pytest.mark.parametrize("names", [3, None, "init_hx", {"a": 1}])
def test_a_card_whose_lists_of_weights_are_none_has_no_record_of_them(tmp_path, names):
    agent = import_agent(gru_file(tmp_path))
    agent.card["unused"] = names
    assert "recorded unused: no record; missing: none" in examine(agent, 32).findings[-1].told


@pytest.mark.parametrize("given", [True, False])
def test_a_lineage_without_a_library_names_the_test_that_holds_it(tmp_path, given):
    path = gru_file(tmp_path)
    report = examine(import_agent(path), 32, original=path if given else None)
    (parity,) = [f for f in report.findings if f.name == "parity"]
    assert parity.verdict == "not measured"
    assert "procgen_pytorch has no library that can be installed" in parity.told
    assert f"test_parity_lineages.py::{HELD_BY['procgen_pytorch']}" in parity.told
    assert "give the file" not in parity.told
    assert "pip install" not in parity.told


def test_every_lineage_has_a_library_or_a_test_that_holds_it(tmp_path):
    agent = import_agent(gru_file(tmp_path))
    assert set(HELD_BY) | {"stable_baselines3"} == set(names("importer"))
    parity = Path(__file__).resolve().parents[1] / "parity" / "test_parity_lineages.py"
    for lineage, test in HELD_BY.items():
        assert f"def {test}(" in parity.read_text(), lineage
        told = import_module(f"policyscope.agents.importers.{lineage}").LINEAGE
        agent.card["lineage"] = told.format("clear")
        assert f"::{test};" in find_original(agent, None).told
    root = parity.parents[3]
    for mention in set(re.findall(r"tests/\S+\.py", _held("cleanrl"))):
        assert (root / mention).is_file()
