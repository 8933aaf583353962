import json

import pytest
import torch
from torch import nn

from policyscope.agents.fit import fingerprint
from policyscope.agents.preprocess import Pixels, build_preprocess, preprocess_to_json
from policyscope.agents.store import load_agent, save_agent
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName


def test_pixels_are_moved_and_scaled(lineages):
    images = lineages.frames(2, size=5)
    out = Pixels()(images)
    assert (out.shape, out.dtype) == ((2, 3, 5, 5), torch.float32)
    assert out[1, 2, 3, 4] == images[1, 3, 4, 2] / 255
    as_they_are = Pixels(1.0, channels_last=False)(images)
    assert torch.equal(as_they_are, images.float())


def test_it_is_a_site_and_part_of_the_fingerprint(lineages):
    agent = lineages.agent("impala", size=16, widths=[2, 2, 2], embedding=4)
    assert agent.sites()["preprocess"].shape == (3, 16, 16)
    before = fingerprint(agent)
    agent.preprocess = Pixels(1.0)
    assert fingerprint(agent) != before


def test_it_comes_back_from_disk(lineages, tmp_path):
    agent = lineages.agent("impala", size=16, widths=[2, 2, 2], embedding=4)
    agent.preprocess = Pixels(128.0)
    save_agent(agent, tmp_path / "a")
    again = load_agent(tmp_path / "a")
    assert type(again.preprocess) is Pixels
    assert again.preprocess.arguments() == {"divisor": 128.0, "channels_last": True}
    obs = lineages.frames(3, size=16)
    assert torch.equal(agent.act(obs).outputs["value"], again.act(obs).outputs["value"])
    assert fingerprint(again) == fingerprint(agent)


def test_an_agent_from_before_has_none(lineages, tmp_path):
    agent = lineages.agent("impala", size=16, widths=[2, 2, 2], embedding=4)
    save_agent(agent, tmp_path / "a")
    path = tmp_path / "a" / "agent.json"
    values = json.loads(path.read_text())
    del values["preprocess"]
    path.write_text(json.dumps(values))
    assert type(load_agent(tmp_path / "a").preprocess) is nn.Identity


@pytest.mark.parametrize(
    ("entry", "kind", "said"),
    [
        ({"name": "pixel", "arguments": {}}, UnknownName, "Did you mean pixels"),
        ({"name": "pixels", "arguments": {"mean": 1}}, PolicyscopeError, "cannot be built"),
        ({"name": "pixels", "arguments": {"divisor": 0}}, PolicyscopeError, "positive"),
        ({"name": ["pixels"], "arguments": {}}, BadFile, "not a valid agent"),
        ({"name": "pixels"}, BadFile, "not a valid agent"),
        ("pixels", BadFile, "not a valid agent"),
    ],
)
def test_damaged_descriptions_are_one_line(lineages, tmp_path, entry, kind, said):
    agent = lineages.agent("impala", size=16, widths=[2, 2, 2], embedding=4)
    save_agent(agent, tmp_path / "a")
    path = tmp_path / "a" / "agent.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"preprocess": entry}))
    with pytest.raises(kind, match=said) as caught:
        load_agent(tmp_path / "a")
    assert "\n" not in str(caught.value)


class Brighter(Pixels):
    """The mistake: bears the name of another and would come back as that one."""

    def forward(self, x):
        return super().forward(x) + 1


@pytest.mark.parametrize("module", [nn.Flatten(), Brighter()])
def test_what_could_not_be_built_again_is_not_saved(module):
    with pytest.raises(PolicyscopeError, match=f"a {type(module).__name__} cannot be saved"):
        preprocess_to_json(module)


def test_json_round_trip():
    for module in (Pixels(), Pixels(2.0, False)):
        values = json.loads(json.dumps(preprocess_to_json(module)))
        assert repr(build_preprocess(values)) == repr(module)
    assert preprocess_to_json(nn.Identity()) is None
    assert type(build_preprocess(None)) is nn.Identity
