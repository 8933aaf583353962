"""Read-outs against least squares written out, planted truth, and episodes that must not leak."""

import numpy as np
import pytest

from policyscope.circuits.readout import read_out, ridge
from policyscope.core.errors import PolicyscopeError


def explained(target, predicted):
    return 1 - ((target - predicted) ** 2).mean(0) / target.var(0)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 8)) * [1, 2, 3, 4, 5, 6, 7, 0] + 3
    signal = features @ rng.normal(size=(8, 2))
    noise = rng.normal(size=signal.shape) * signal.std(0) / 3
    return features, signal + noise, np.repeat(np.arange(30), 20)


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_slopes_are_those_of_the_augmented_least_squares(rows, strength):
    features, targets, _ = rows
    slopes, intercepts = ridge(features, targets, strength)
    spread = features.std(0)
    x = ((features - features.mean(0)) / np.where(spread > 0, spread, 1))[:, :7]
    above = np.vstack([x, np.sqrt(strength * len(x)) * np.eye(7)])
    below = np.vstack([targets - targets.mean(0), np.zeros((7, 2))])
    expected = np.linalg.lstsq(above, below)[0] / spread[:7, None]
    assert slopes[:7] == pytest.approx(expected, rel=1e-8)
    assert (slopes[7] == 0).all()
    assert features.mean(0) @ slopes + intercepts == pytest.approx(targets.mean(0))


def test_a_planted_relation_is_found_up_to_its_noise(rows):
    features, targets, episode = rows
    found = explained(targets, read_out(features, targets, episode))
    assert found == pytest.approx([0.9, 0.9], abs=0.03)


def test_nothing_leaks_from_an_episode_to_itself():
    rng = np.random.default_rng(1)
    episode = np.repeat(np.arange(40), 10)
    features = np.eye(40)[episode] + rng.normal(size=(400, 40)) / 100
    targets = rng.normal(size=(40, 1))[episode]
    assert explained(targets, read_out(features, targets, episode))[0] < 0.05
    mixed = np.arange(400) % 40  # the mistake: folds that split episodes
    assert explained(targets, read_out(features, targets, mixed))[0] > 0.9


def test_few_episodes_are_refused(rows):
    features, targets, episode = rows
    with pytest.raises(PolicyscopeError, match="at least 10 episodes, got 9; record more"):
        read_out(features[:180], targets[:180], episode[:180])
