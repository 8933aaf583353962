"""The recurrent image agent: gates, memory, and where it begins."""

import pytest
import torch

from policyscope.agents.contract import CHECKS, gap
from policyscope.agents.networks.impala_gru import OpenGRU
from policyscope.core.hooks import capture

SMALL = {"widths": [3, 4, 4], "embedding": 10, "memory": 7}
GATES = ("reset", "update", "candidate", "memory")


def small(lineages, **arguments):
    return lineages.agent("impala_gru", size=16, **SMALL, **arguments)


def twin(cell):
    weights = cell.weight_ih_l0
    theirs = torch.nn.GRU(weights.shape[1], len(weights) // 3, dtype=weights.dtype)
    theirs.load_state_dict(cell.state_dict())
    return theirs


def test_unit_equals_torchs():
    cell = OpenGRU(12, 9).double()
    with torch.no_grad():
        for weights in cell.parameters():
            weights.mul_(3)
    theirs, x, h = twin(cell), torch.randn(50, 4, 12).double(), torch.randn(4, 9).double()
    expected, _ = theirs(x, h[None])
    for t in range(50):
        h = cell(x[t], h)
        assert (h - expected[t]).abs().max() <= 1e-12


def test_unit_equals_torchs_in_single_precision_with_gradients():
    cell = OpenGRU(64, 64)
    theirs, x, h = twin(cell), torch.randn(30, 8, 64), torch.zeros(8, 64)
    expected, _ = theirs(x)
    rows = []
    for t in range(30):
        h = cell(x[t], h)
        rows.append(h)
    assert (torch.stack(rows) - expected).abs().max() <= 1e-6
    torch.stack(rows).square().mean().backward()
    expected.square().mean().backward()
    for name, weights in cell.named_parameters():
        assert (weights.grad - getattr(theirs, name).grad).abs().max() <= 1e-6


def test_gates_are_sites_and_make_the_memory(lineages):
    agent = small(lineages)
    sites = agent.sites()
    assert [sites[f"gru.gru.{gate}"].shape for gate in GATES] == [(7,)] * 4
    state = torch.rand(2, 7) - 0.5
    names = [f"gru.gru.{gate}" for gate in GATES]
    with torch.no_grad(), capture(agent.modules(), names) as seen:
        after = agent.act(lineages.frames(2, size=16), state).state
        reset, update, candidate, memory = (seen[name] for name in names)
    assert torch.equal(memory, after)
    assert torch.allclose((1 - update) * candidate + update * state, after, atol=1e-6)
    assert ((reset > 0) & (reset < 1)).all()


def test_network_computes_what_the_lineage_computes_over_time(lineages):
    agent = lineages.agent("impala_gru")
    assert sum(p.numel() for p in agent.net.parameters()) == 254_736
    obs, start = lineages.frames(5, 2), torch.randn(2, 64)
    with torch.no_grad():
        theirs, states = lineages.recurrent(agent.net.state_dict(), obs, start)
        ours, after = agent.unroll(obs, start, torch.zeros(5, 2, dtype=torch.bool))
    assert gap(ours, theirs) <= 1e-5
    assert gap(after, states) <= 1e-5
    assert theirs["logits"].std() > 1e-2


@pytest.mark.parametrize("learned", [False, True])
def test_memory_begins_anew_at_row_zero_and_nowhere_else(lineages, learned):
    agent = small(lineages, learned_start=learned)
    start = agent.initial_state(3)
    assert (start != 0).any() if learned else not start.any()
    obs = lineages.frames(6, 3, size=16)
    first = torch.zeros(6, 3, dtype=torch.bool)
    first[0] = True
    first[4, 1] = True
    with torch.no_grad():
        _, states = agent.unroll(obs, torch.full((3, 7), 9.0), first)
        _, plain = agent.unroll(obs, None, torch.zeros_like(first))
        alone = agent.act(obs[4, 1:2]).state
    assert gap(states[:4], plain[:4]) <= 1e-6
    assert gap(states[4, 1:2], alone) <= 1e-6
    assert gap(states[4, [0, 2]], plain[4, [0, 2]]) <= 1e-6
    assert gap(states[4, 1], plain[4, 1]) > 1e-3


def test_a_learned_beginning_learns(lineages):
    agent = small(lineages, learned_start=True)
    obs, first = lineages.frames(4, 3, size=16), torch.zeros(4, 3, dtype=torch.bool)
    first[2, 1] = True
    outputs, _ = agent.unroll(obs, None, first)
    outputs["value"].sum().backward()
    assert (agent.net.init_hx.grad.abs() > 0).all()


def test_encoding_runs_once_for_all_rows(lineages):
    agent = small(lineages)
    obs, first = lineages.frames(4, 3, size=16), torch.zeros(4, 3, dtype=torch.bool)
    with capture(agent.modules(), ["embedder.relufc"]) as seen:
        agent.unroll(obs, None, first)
    assert seen["embedder.relufc"].shape == (12, 10)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("check", CHECKS)
def test_recurrent_agent_holds_the_contract(lineages, check, learned):
    agent = small(lineages, learned_start=learned)
    CHECKS[check](agent, lineages.frames(7, 3, size=16))
