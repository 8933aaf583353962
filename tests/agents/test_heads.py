import numpy as np
import pytest
import torch
from scipy import stats

from policyscope.agents.heads import RowNoise, choose
from policyscope.core.errors import PolicyscopeError, UnknownName


def noise(n, seed=0, step=0):
    return RowNoise(seed, np.arange(n), np.full(n, step))


def test_noise_depends_on_seed_episode_and_step_alone():
    whole = noise(8).uniform(3)
    row = RowNoise(0, np.array([5]), np.array([0])).uniform(3)[0]
    assert torch.equal(whole[5], row)
    assert len({float(v) for v in whole.flatten()}) == 24
    for other in (noise(8, seed=1), noise(8, step=1)):
        assert (other.uniform(3) != whole).all()


def test_episode_and_step_are_not_mixed_up():
    a = RowNoise(0, np.array([1]), np.array([2])).uniform(4)
    b = RowNoise(0, np.array([2]), np.array([1])).uniform(4)
    assert (a != b).all()


def test_noise_is_uniform_and_inside_the_open_interval():
    values = noise(4000).uniform(2).numpy()
    assert stats.kstest(values[:, 0], "uniform").pvalue > 0.01
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.05
    assert values.min() > 0
    assert values.max() < 1


def test_extreme_draws_give_finite_actions(monkeypatch):
    """1 - 1e-12 is 1 in float32: its quantile is infinite."""

    class Edge:
        def __init__(self, *_args, **_named):
            pass

        def random(self, width):
            return np.resize([0.0, 1 - 1e-16], width)

    monkeypatch.setattr(np.random, "Generator", Edge)
    outputs = {"mean": torch.zeros(2, 2), "log_std": torch.zeros(2, 2)}
    action, logp = choose("gaussian", outputs, True, noise(2))
    assert action.isfinite().all()
    assert logp.isfinite().all()
    assert not torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(1 - 1e-12)).isfinite()


def test_categorical_draws_have_the_frequencies_of_the_policy():
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(20_000, 3)
    action, logp = choose("categorical", {"logits": logits}, True, noise(20_000))
    frequency = torch.bincount(action, minlength=3) / len(action)
    assert (frequency - torch.tensor([0.5, 0.3, 0.2])).abs().max() < 0.015
    assert torch.allclose(logp, logits.gather(1, action[:, None])[:, 0], atol=1e-6)


def test_greedy_takes_the_mode():
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
    action, logp = choose("categorical", {"logits": logits}, False, None)
    assert action.tolist() == [1, 0]
    assert torch.allclose(logp, logits.log_softmax(-1).max(-1).values)
    mean = torch.tensor([[1.0, -2.0]])
    action, logp = choose("gaussian", {"mean": mean, "log_std": torch.zeros(1, 2)}, False, None)
    assert torch.equal(action, mean)
    assert logp.item() == pytest.approx(2 * stats.norm.logpdf(0), abs=1e-6)


def test_gaussian_draws_have_mean_and_spread():
    outputs = {"mean": torch.full((20_000, 1), 3.0), "log_std": torch.full((20_000, 1), 0.7)}
    action, logp = choose("gaussian", outputs, True, noise(20_000))
    assert action.mean().item() == pytest.approx(3, abs=0.05)
    assert action.std().item() == pytest.approx(np.exp(0.7), rel=0.02)
    expected = stats.norm(3, np.exp(0.7)).logpdf(action[:, 0].numpy())
    assert np.abs(logp.numpy() - expected).max() < 1e-4


def test_torch_generators_reproduce_draws():
    logits = {"logits": torch.zeros(50, 3)}
    draws = [
        choose("categorical", logits, True, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_errors():
    with pytest.raises(PolicyscopeError, match="no action distribution"):
        choose("q", {"q": torch.zeros(1, 3)}, True, None)
    with pytest.raises(UnknownName, match="Did you mean gaussian"):
        choose("gausian", {}, False, None)
