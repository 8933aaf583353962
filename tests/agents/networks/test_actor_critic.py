import pytest
import torch

from policyscope.agents.networks.actor_critic import ActorCriticNetwork
from policyscope.agents.networks.actor_critic_lstm import ActorCriticLSTM, OpenLSTM
from policyscope.core.errors import UnknownName


@pytest.mark.parametrize("make", [ActorCriticNetwork, ActorCriticLSTM])
def test_unknown_parts_are_named(make):
    with pytest.raises(UnknownName, match="Did you mean relu"):
        make(3, activation="rel")


def test_unknown_critic_is_named():
    with pytest.raises(UnknownName, match="unknown critic 'lstms'. Did you mean lstm"):
        ActorCriticLSTM(3, critic="lstms")


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_unit_equals_torchs_with_its_gradients(dtype, bound):
    cell, theirs = OpenLSTM(5, 8).to(dtype), torch.nn.LSTM(5, 8, dtype=dtype)
    theirs.load_state_dict(cell.state_dict())
    x = torch.randn(40, 3, 5, dtype=dtype)
    state = torch.randn(3, 8, dtype=dtype), torch.randn(3, 8, dtype=dtype)
    expected, last = theirs(x, (state[0][None], state[1][None]))
    rows = []
    for t in range(40):
        state = cell(x[t], state)
        rows.append(state[0])
    assert (torch.stack(rows) - expected).abs().max() <= bound
    assert (state[1] - last[1][0]).abs().max() <= bound
    torch.stack(rows).square().mean().backward()
    expected.square().mean().backward()
    for name, weights in cell.named_parameters():
        assert (weights.grad - getattr(theirs, name).grad).abs().max() <= bound


def test_spread_is_learned_and_the_same_for_all_rows():
    net = ActorCriticNetwork(3, [4], [4], 2, gaussian=True)
    outputs = net(torch.randn(6, 3))
    assert outputs["log_std"].shape == outputs["mean"].shape == (6, 2)
    outputs["log_std"].sum().backward()
    assert torch.equal(net.log_std.grad, torch.full((2,), 6.0))
