"""Losses of PPO against sums written out by hand, and wrong variants that must differ."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical
from torch.nn import functional

from policyscope.core.errors import PolicyscopeError
from policyscope.rollouts.advantage import advantages
from policyscope.training.ppo.kickstart import decided
from policyscope.training.ppo.losses import Targets, Weights, distribution, losses
from policyscope.training.ppo.return_scale import ReturnScale

GAMMA, LAM = 0.9, 0.8


def stretch(seed=0, steps=12, lanes=3):
    """Rewards, values and ends; one lane is cut by a time limit, one ends by the rules."""
    random = np.random.default_rng(seed)
    reward, value = random.normal(size=(2, steps, lanes))
    following = np.concatenate([value[1:], random.normal(size=(1, lanes))])
    over = np.zeros((steps, lanes), dtype=bool)
    over[4, 0] = over[7, 1] = over[-1, 2] = True
    following[4, 0] = 0.0  # by the rules
    following[7, 1] = 2.5  # cut: value of the last observation seen
    return reward, value, following, over


def by_definition(reward, value, following, over):
    """Sums of discounted errors, one for each row, none across an end."""
    out = np.zeros_like(reward)
    for t, lane in np.ndindex(reward.shape):
        factor = 1.0
        for s in range(t, len(reward)):
            error = reward[s, lane] + GAMMA * following[s, lane] - value[s, lane]
            out[t, lane] += factor * error
            factor *= GAMMA * LAM
            if over[s, lane]:
                break
    return out


def test_advantages_are_the_sums_of_their_definition():
    given = stretch()
    assert advantages(*given, GAMMA, LAM) == pytest.approx(by_definition(*given), abs=1e-12)


def test_advantages_that_leak_across_an_end_are_caught():
    """The wrong variant: what the next episode brings is credited to the one before."""
    reward, value, following, over = stretch()
    leaking = advantages(reward, value, following, np.zeros_like(over), GAMMA, LAM)
    right = by_definition(reward, value, following, over)
    assert np.abs(leaking - right)[:5, 0].max() > 0.1
    assert leaking[5:, 0] == pytest.approx(right[5:, 0])


def rows(seed=0, n=64, actions=5):
    torch.manual_seed(seed)
    logits, old = torch.randn(2, n, actions).double()
    action = torch.randint(actions, (n,))
    logp = Categorical(logits=old).log_prob(action).float()
    value, before, advantage, goal = torch.randn(4, n)
    teacher = {"logits": torch.randn(n, actions), "value": torch.randn(n)}
    outputs = {"logits": logits.float().requires_grad_(), "value": value.requires_grad_()}
    return outputs, Targets(action, logp, before, advantage, goal, teacher)


WEIGHTS = Weights(
    clip=0.2, value_clip=0.3, value=0.5, entropy=0.01, teacher=0.7, teacher_value=0.4, scale=2.0,
    teacher_scale=3.0,
)  # fmt: skip


def test_losses_are_the_sums_of_the_papers():
    outputs, targets = rows()
    found = losses(outputs, targets, WEIGHTS)
    logits, value = outputs["logits"].detach().double().numpy(), outputs["value"].detach().numpy()
    logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    index = np.arange(len(logp)), targets.action.numpy()
    policy = values = cross = taught = entropy = clipped = 0.0
    for i in range(len(logp)):
        ratio = np.exp(logp[index][i] - targets.logp[i].item())
        gain = targets.advantage[i].item()
        policy -= min(ratio * gain, np.clip(ratio, 0.8, 1.2) * gain)
        clipped += abs(ratio - 1) > 0.2
        old, goal = targets.value[i].item(), targets.goal[i].item()
        near = old + np.clip(value[i] - old, -0.6, 0.6)
        values += 0.5 * max((value[i] - goal) ** 2, (near - goal) ** 2) / 2.0**2
        entropy -= (np.exp(logp[i]) * logp[i]).sum()
        expected = targets.teacher["logits"][i].softmax(0).numpy()
        cross -= (expected * logp[i]).sum()
        taught += 0.5 * (value[i] - targets.teacher["value"][i].item()) ** 2 / 3.0**2
    want = {
        "policy": policy, "value": values, "entropy": entropy, "clipped": clipped,
        "teacher": cross, "teacher_value": taught,
        "loss": policy + 0.5 * values - 0.01 * entropy + 0.7 * cross + 0.7 * 0.4 * taught,
    }  # fmt: skip
    assert {k: found[k].item() for k in want} == pytest.approx(want, rel=1e-4)
    assert found["kl"] > 0


def test_a_ratio_beyond_its_bound_gives_no_gradient_towards_more():
    outputs, targets = rows()
    only = Weights(0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    losses(outputs, targets, only)["loss"].backward()
    ratio = (Categorical(logits=outputs["logits"]).log_prob(targets.action) - targets.logp).exp()
    done = (ratio > 1.2) & (targets.advantage > 0) | (ratio < 0.8) & (targets.advantage < 0)
    moved = outputs["logits"].grad.abs().amax(1) > 0
    assert done.any()
    assert torch.equal(moved, ~done)


def test_the_teacher_pulls_the_policy_to_its_own_and_not_the_other_way_round():
    """Cross-entropy under the teacher: its gradient on the logits is student minus teacher."""
    outputs, targets = rows()
    only = Weights(0.2, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0)
    still = Targets(
        targets.action, targets.logp, targets.value, 0 * targets.advantage, targets.goal,
        targets.teacher,
    )  # fmt: skip
    losses(outputs, still, only)["loss"].backward()
    student, teacher = outputs["logits"].softmax(-1), targets.teacher["logits"].softmax(-1)
    assert torch.allclose(outputs["logits"].grad, (student - teacher).detach(), atol=1e-6)


def test_rows_count_by_how_decided_the_teacher_is():
    """By hand: log A minus the entropy, scaled to 1 on average over all rows of the iteration."""
    logits = 3 * torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    below = np.log(5) - Categorical(logits=logits).entropy()
    assert torch.allclose(decided(logits, 1.0), below / below.mean(), atol=1e-5)
    assert torch.allclose(decided(logits, 0.25), 0.75 + 0.25 * below / below.mean(), atol=1e-5)
    assert torch.equal(decided(logits, 0.0), torch.ones(6))
    assert decided(torch.zeros(3, 5), 1.0).isfinite().all()


def test_the_teachers_loss_counts_its_rows():
    outputs, targets = rows()
    counts = torch.linspace(0, 2, len(targets.action))
    counted = replace(targets, teacher={**targets.teacher, "counts": counts})
    each = functional.cross_entropy(
        outputs["logits"], targets.teacher["logits"].softmax(-1), reduction="none"
    )
    found = losses(outputs, counted, WEIGHTS)
    assert found["teacher"].item() == pytest.approx((each * counts).sum().item(), rel=1e-5)
    plain = losses(outputs, targets, WEIGHTS)
    assert found["teacher_value"].item() == plain["teacher_value"].item()
    moved = (found["loss"] - plain["loss"]).item()
    assert moved == pytest.approx(0.7 * (each * (counts - 1)).sum().item(), rel=1e-4)


def test_without_a_weight_the_teacher_counts_for_nothing():
    outputs, targets = rows()
    silent = Weights(0.2, 0.3, 0.5, 0.01, 0.0, 0.4, 2.0)
    found = losses(outputs, targets, silent)
    assert "teacher" not in found
    alone = Targets(targets.action, targets.logp, targets.value, targets.advantage, targets.goal)
    assert found["loss"].item() == losses(outputs, alone, WEIGHTS)["loss"].item()


def test_continuous_actions_have_the_density_of_a_normal_distribution():
    mean, log_std = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.0, 0.3]])
    policy = distribution({"mean": mean, "log_std": log_std, "value": torch.zeros(1)})
    action = np.array([0.1, 0.2])
    spread = np.exp([0.0, 0.3])
    density = -0.5 * ((action - mean.numpy()[0]) / spread) ** 2
    want = (density - np.log(spread) - 0.5 * np.log(2 * np.pi)).sum()
    assert policy.log_prob(torch.tensor(action)[None].float()).item() == pytest.approx(want)


def test_a_network_without_a_policy_is_refused():
    with pytest.raises(PolicyscopeError, match="logits"):
        distribution({"q": torch.zeros(2, 3)})


def test_the_scale_is_the_spread_of_all_discounted_returns_so_far():
    random = np.random.default_rng(3)
    scale = ReturnScale(4, 0.9)
    sums, seen = np.zeros(4), []
    for _ in range(300):
        reward, over = random.normal(size=4), random.random(4) < 0.1
        sums = 0.9 * sums + reward
        seen += sums.tolist()
        scale.add(reward, over)
        sums[over] = 0.0
    assert scale.value == pytest.approx(np.std(seen), rel=1e-4)
    again = ReturnScale(4, 0.9)
    again.restore(scale.to_json())
    assert again.to_json() == scale.to_json()


def test_the_scale_is_one_while_nothing_was_earned():
    """The wrong variant (a prior of variance one that fades) makes it ever smaller."""
    scale = ReturnScale(8, 0.9)
    for _ in range(200):
        scale.add(np.zeros(8), np.zeros(8, bool))
        assert scale.value == 1.0
    scale.add(np.arange(8.0), np.zeros(8, bool))
    assert scale.value != 1.0
