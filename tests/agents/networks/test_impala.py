import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.contract import CHECKS
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture, replace

SITES = ["preprocess", "embedder.block1.conv", "embedder.block1.maxpool"] + [
    f"embedder.block1.res1.{part}" for part in ("relu1", "conv1", "relu2", "conv2", "resadd")
]


def test_network_computes_what_the_lineage_computes(lineages):
    agent = lineages.agent("impala")
    obs = lineages.frames(6)
    with torch.no_grad():
        theirs = lineages.impala(agent.net.state_dict(), obs)
        ours = agent.act(obs, sample=False)
    for name in ("logits", "value"):
        assert theirs[name].std() > 1e-3
        assert (ours.outputs[name] - theirs[name]).abs().max() <= 1e-5
    assert torch.equal(ours.action, theirs["logits"].argmax(-1))


@pytest.mark.parametrize("site", ["res1.relu1", "maxpool", "res2.resadd"])
def test_the_comparison_sees_a_missing_part(lineages, site):
    agent = lineages.agent("impala")
    obs = lineages.frames(4)
    wrong = {f"embedder.block2.{site}": lambda x: x * 0.9}
    with torch.no_grad(), replace(agent.modules(), wrong):
        ours = agent.act(obs).outputs["logits"]
        theirs = lineages.impala(agent.net.state_dict(), obs)["logits"]
    assert (ours - theirs).abs().max() > 1e-4


def test_counts_of_parameters_are_those_of_the_lineage():
    def count(**arguments):
        return sum(p.numel() for p in build_network("impala", arguments).parameters())

    assert count() == 626_256
    assert count(widths=[64, 128, 128]) == 3_653_136


def test_every_relu_pool_and_sum_is_a_site(lineages):
    sites = lineages.agent("impala").sites()
    assert list(sites)[: len(SITES)] == SITES
    kinds = [site.kind for site in sites.values()]
    assert [kinds.count(k) for k in ("ReLU", "MaxPool2d", "Sum", "Conv2d")] == [14, 3, 6, 15]
    assert sites["embedder.block3.res2.resadd"].shape == (32, 8, 8)
    assert sites["embedder.relufc"].shape == (256,)


def test_sums_add_and_relus_are_not_in_place(lineages):
    agent = lineages.agent("impala")
    names = ["embedder.block1.maxpool", "embedder.block1.res1.conv2", "embedder.block1.res1.resadd"]
    with torch.no_grad(), capture(agent.modules(), names) as seen:
        agent.act(lineages.frames(2))
        before, path, after = (seen[name] for name in names)
    assert torch.equal(after, before + path)
    assert (before < 0).any()


@pytest.mark.parametrize("check", CHECKS)
def test_impala_holds_the_contract(lineages, check):
    agent = lineages.agent("impala", size=32, widths=[4, 6, 8], embedding=12)
    CHECKS[check](agent, lineages.frames(6, 3, size=32))


def test_sizes_that_are_no_power_of_two_and_other_inputs_build():
    net = build_network("impala", {"shape": [4, 84, 50], "widths": [2, 4, 4], "actions": 3})
    assert net(torch.zeros(2, 4, 84, 50))["logits"].shape == (2, 3)
    with pytest.raises(PolicyscopeError, match="channels, height and width"):
        build_network("impala", {"shape": [64, 64]})
