from copy import deepcopy

import numpy as np
import pytest
import torch

from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.training.dqn.config import PRESETS
from policyscope.training.dqn.learner import Learner
from policyscope.training.dqn.replay import Transitions
from policyscope.training.settings import configure


def transitions(count: int = 64, seed: int = 0) -> Transitions:
    random = np.random.default_rng(seed)

    def obs() -> np.ndarray:
        x = random.normal(size=(count, 15, 7)).astype("float32")
        x[..., 0] = random.random((count, 15)) < 0.4
        x[:, 0, 0] = 1
        return x

    over = random.random(count) < 0.3
    return Transitions(
        obs(),
        random.integers(0, 3, count),
        random.normal(size=count).astype("float32") * 5,
        obs(),
        (0.95 * ~over).astype("float32"),
    )


def plain_update(net, target, optimizer, batch, *, double=True, elementwise=True, bootstrap=True):
    """Spec 2.2 written as plainly as it reads; the flags make the wrong variants."""
    obs, following = torch.from_numpy(batch.obs), torch.from_numpy(batch.next_obs)
    with torch.no_grad():
        chooser = net if double else target
        best = chooser(following).argmax(1)
        value = target(following)[torch.arange(len(best)), best]
        discount = torch.from_numpy(batch.discount) if bootstrap else 0.95
        goal = torch.from_numpy(batch.reward) + discount * value
    q = net(obs)[torch.arange(len(best)), torch.from_numpy(batch.action)]
    loss = ((q - goal) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    if elementwise:
        for p in net.parameters():
            p.grad.clamp_(-1, 1)
    else:
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


def after_updates(**flags) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    net = EgoAttentionNetwork()
    peer, target = deepcopy(net), deepcopy(net)
    torch.nn.init.normal_(target.output_layer.predict.bias, std=3)
    learner = Learner(net, configure(PRESETS, "paper", []), steps=1000)
    learner.target.load_state_dict(target.state_dict())
    optimizer = torch.optim.Adam(peer.parameters(), lr=5e-4)
    for i in range(3):
        learner.update(transitions(seed=i))
        plain_update(peer, target, optimizer, transitions(seed=i), **flags)
    flat = torch.nn.utils.parameters_to_vector
    return flat(net.parameters()).detach(), flat(peer.parameters()).detach()


def test_paper_update_is_the_recipe_of_the_spec():
    ours, peer = after_updates()
    torch.testing.assert_close(ours, peer, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"double": False}, {"elementwise": False}, {"bootstrap": False}], ids=str
)
def test_wrong_recipes_are_told_apart(wrong):
    ours, peer = after_updates(**wrong)
    assert (ours - peer).abs().max() > 1e-4


class Reversed(Learner):
    """The wrong variant of spec 5.18: every third update the target overwrites the value net."""

    def update(self, batch: Transitions) -> None:
        super().update(batch)
        if self.updates % 3 == 0:
            self.net.load_state_dict(self.target.state_dict())


def target_follows_value_net(kind: type[Learner], every: int) -> bool:
    torch.manual_seed(0)
    learner = kind(
        EgoAttentionNetwork(), configure(PRESETS, "paper", [f"target_every={every}"]), steps=10
    )
    initial = deepcopy(learner.target.state_dict())

    def is_target(weights: dict[str, torch.Tensor]) -> bool:
        return all(torch.equal(v, weights[k]) for k, v in learner.target.state_dict().items())

    learner.update(transitions(seed=0))
    learner.update(transitions(seed=1))
    kept = is_target(initial)
    learner.update(transitions(seed=2))
    return kept and is_target(learner.net.state_dict()) and not is_target(initial)


def test_target_is_a_hard_copy_of_the_value_net_every_512_updates():
    """Spec 5.18: the target is copied from the value net, per updates and not per episodes."""
    assert configure(PRESETS, "paper", []).target_every == 512
    assert target_follows_value_net(Learner, every=3)
    assert not target_follows_value_net(Reversed, every=512)


def test_learner_state_round_trip_continues_identically():
    torch.manual_seed(0)
    config = configure(PRESETS, "fast", [])
    learner = Learner(EgoAttentionNetwork(), config, steps=100)
    for i in range(3):
        learner.update(transitions(seed=i))
    other = Learner(EgoAttentionNetwork(), config, steps=100)
    other.restore(learner.arrays(), learner.updates)
    for each in (learner, other):
        each.update(transitions(seed=9))
    a, b = learner.arrays(), other.arrays()
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[k], b[k]) for k in a)
