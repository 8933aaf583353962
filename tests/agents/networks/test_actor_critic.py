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


@pytest.mark.parametrize("make", [ActorCriticNetwork, ActorCriticLSTM])
def test_first_weights_are_those_of_the_lineage(make):
    """Orthogonal with its gains and no biases, as Stable-Baselines3 draws them."""
    net = make(64)
    gains = {"mlp_extractor": 2.0, "action_net": 1e-4, "value_net": 1.0}
    for name, weights in net.named_parameters():
        if name.split(".")[0] not in gains:
            continue
        if name.endswith("bias"):
            assert not weights.any()
        else:
            square = weights.shape[0] == min(weights.shape)
            product = weights @ weights.T if square else weights.T @ weights
            expected = gains[name.split(".")[0]] * torch.eye(len(product))
            assert (product - expected).abs().max() < 1e-5


def test_heads_are_computed_in_full_precision():
    """The wrong variant (linear layers as others) tells values near 100 apart by halves only."""
    net = ActorCriticNetwork(3)
    net.value_net.bias.data.fill_(100.0)
    x = torch.randn(64, 3)
    with torch.autocast("cpu", torch.bfloat16):
        fine = net(x)["value"]
        hidden = net.mlp_extractor["value_net"](x)
        head = net.value_net
        coarse = torch.nn.functional.linear(hidden, head.weight, head.bias)
    assert fine.dtype == torch.float32
    assert len(fine.unique()) > 40
    assert len(coarse.unique()) < 20
