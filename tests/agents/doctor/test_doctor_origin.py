"""Tensors of a file beside an agent's weights, whatever their layout and whatever the card says."""

import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.doctor.examine import examine
from policyscope.agents.doctor.origin import compare_origin
from policyscope.agents.importers.recognise import import_agent


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


def test_a_library_that_cannot_be_installed_is_said(tmp_path):
    path = gru_file(tmp_path)
    (parity,) = [
        f for f in examine(import_agent(path), 32, original=path).findings if f.name == "parity"
    ]
    assert parity.verdict == "not measured"
    assert "no original library of procgen_pytorch" in parity.told
