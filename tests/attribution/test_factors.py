"""Non-negative factors against scikit-learn's, and a planted sum."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import NMF

from policyscope.attribution.asking.score import Decisions
from policyscope.attribution.methods.factors import factors_of, non_negative_factors
from policyscope.core.errors import PolicyscopeError

from .conftest import image_agent, images


def missed(samples, factors):
    """What non-negative sums of the factors leave of samples, as a share of their length."""
    from scipy.optimize import nnls

    left = [nnls(factors.T, one)[1] for one in samples]
    return np.linalg.norm(left) / np.linalg.norm(samples)


def test_it_is_as_good_as_scikit_learn():
    rng = np.random.default_rng(0)
    samples = rng.gamma(0.5, 1, (300, 5)) @ rng.gamma(0.5, 1, (5, 16)) + 0.1 * rng.random((300, 16))
    theirs = NMF(5, init="nndsvda", max_iter=2000, tol=1e-6).fit(samples).components_
    ours = non_negative_factors(samples, 5)
    assert ours.shape == (5, 16)
    assert (ours >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1)
    assert missed(samples, ours) < 1.02 * missed(samples, theirs)
    assert missed(samples, ours[:3]) > 1.5 * missed(samples, ours)


def test_planted_factors_are_found_the_greatest_first():
    planted = np.kron(np.eye(3), np.ones(4)) / 2
    amount = np.random.default_rng(1).gamma(0.3, 1, (400, 3)) * [1, 5, 2]
    found = non_negative_factors(amount @ planted, 3)
    np.testing.assert_allclose(found, planted[[1, 2, 0]], atol=0.02)
    np.testing.assert_array_equal(found, non_negative_factors(amount @ planted, 3))


def test_places_of_a_map_are_samples_of_its_channels():
    agent, decisions = image_agent("clear_cnn"), Decisions(images())
    found = factors_of(agent, decisions, "3a.relu", 4)
    assert found.shape == (4, 8)
    assert len(factors_of(agent, decisions, "preprocess", 8)) == 3
    with pytest.raises(PolicyscopeError, match="puts out nothing above 0"):
        non_negative_factors(-np.ones((5, 3)), 2)
    with pytest.raises(PolicyscopeError, match="1 to 3 factors"):
        non_negative_factors(np.ones((5, 3)), 4)
    road = torch.zeros(2, 6, 7)
    from .conftest import road_agent

    with pytest.raises(PolicyscopeError, match="factors need channels"):
        factors_of(road_agent(), Decisions(road), "preprocess")
