import json

import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import (
    checkpoints,
    find_agent,
    load_agent,
    load_weights,
    save_agent,
    save_weights,
)
from policyscope.core.errors import BadFile, NoSuchFolder, PolicyscopeError, UnknownName
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

SPACE = Space((15, 7), "float32", ("ego",), ("presence", "x"), ("SLOWER", "IDLE", "FASTER"))


@pytest.fixture
def agent():
    net = build_network("ego_attention", {"heads": 2})
    initial = build_network("ego_attention", {"heads": 2}).state_dict()
    env = EnvSpec("highway/intersection", {"duration": 9}, {"highway-env": "1.12.1"})
    card = {"steps": 5, "evaluation": {"return": 1.5}}
    return Agent(net, ("ego_attention", {"heads": 2}), "q", SPACE, "greedy", env=env, card=card,
                 initial=dict(initial))  # fmt: skip


@pytest.fixture
def folder(agent, tmp_path):
    save_agent(agent, tmp_path / "agent")
    return tmp_path / "agent"


def test_everything_comes_back(agent, folder):
    again = load_agent(folder)
    assert (again.network, again.head, again.space, again.acting, again.env, again.card) == (
        agent.network, agent.head, agent.space, agent.acting, agent.env, agent.card,
    )  # fmt: skip
    assert not again.net.training
    for name, value in agent.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name])
        assert torch.equal(agent.initial[name], again.initial[name])
    assert load_agent(folder / "agent.json").space == agent.space


def test_no_file_is_left_beside_and_checkpoints_stay(agent, folder):
    (folder / "checkpoints").mkdir()
    for step in ("step_0000200", "step_0000100"):
        save_weights(folder / f"checkpoints/{step}.safetensors", agent.initial)
    save_agent(agent, folder)
    assert checkpoints(folder) == ["checkpoints/step_0000100", "checkpoints/step_0000200"]
    assert not [p for p in folder.rglob("*") if ".part" in p.name]
    old = load_agent(folder, weights="checkpoints/step_0000100")
    assert torch.equal(
        old.net.output_layer.predict.weight, agent.initial["output_layer.predict.weight"]
    )


def test_unknown_names_get_near_ones(folder):
    with pytest.raises(UnknownName, match="unknown weights 'intial'. Did you mean initial"):
        load_agent(folder, weights="intial")
    with pytest.raises(UnknownName, match="unknown agent 'nowhere'"):
        load_agent("nowhere")


@pytest.mark.parametrize("where", ["runs/nowhere", "./nowhere", "/nowhere", ".."])
def test_a_path_that_leads_nowhere_is_told_as_one(where, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    if where == "..":
        with pytest.raises(BadFile, match="holds no agent.json"):
            load_agent(where)
        return
    with pytest.raises(NoSuchFolder) as caught:
        load_agent(where)
    assert str(caught.value).startswith(f"{where}: there is no such folder (")
    assert "highway-ego-attention" in str(caught.value)
    assert "unknown" not in str(caught.value)
    assert caught.value.kind == "agent"


def test_the_folder_of_a_recording_holds_its_agent(agent, tmp_path):
    save_agent(agent, tmp_path / "rec" / "agent")
    assert find_agent(tmp_path / "rec") == tmp_path / "rec" / "agent"
    with pytest.raises(BadFile, match=r"holds no agent.json"):
        find_agent(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "agent schema 2, this reads 1"),
        ({"head": "logits"}, "head 'logits' is none of q"),
        ({"acting": "always"}, "acting 'always' is none of greedy, sample"),
        ({"space": {"size": 3}}, "not a valid agent"),
        ({"network": "ego_attention"}, "not a valid agent"),
        ({"env": {"name": "x"}}, "not a valid agent"),
        ({"card": 3}, "not a valid agent"),
    ],
)
def test_damaged_descriptions_are_named(folder, change, said):
    path = folder / "agent.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadFile, match=said) as caught:
        load_agent(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "3", '{"schema": 1}'])
def test_other_json_is_no_agent(folder, text):
    (folder / "agent.json").write_text(text)
    with pytest.raises(BadFile) as caught:
        load_agent(folder)
    assert "\n" not in str(caught.value)


def test_damaged_and_foreign_weights_are_named(folder, agent):
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    for size in (0, 4, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(BadFile, match="corrupted or truncated"):
            load_agent(folder)
    other = build_network("ego_attention", {"decoder": [32]})
    save_weights(path, other.state_dict())
    with pytest.raises(BadFile, match="weights of another network.*output_layer") as caught:
        load_agent(folder)
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(BadFile, match="no such weights file"):
        load_weights(path)


def test_a_preprocess_module_is_not_dropped_silently(agent, tmp_path):
    agent.preprocess = nn.Flatten()
    with pytest.raises(PolicyscopeError, match="preprocess is a Flatten cannot be saved"):
        save_agent(agent, tmp_path / "flat")
    assert not (tmp_path / "flat").exists()
