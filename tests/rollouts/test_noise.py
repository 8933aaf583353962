"""Noise of sampled actions: what recordings were made with, whatever makes it faster."""

import numpy as np
import pytest
import torch

from policyscope.agents.heads import RowNoise

#: Drawn before rows shared one generator: seed, episode, step and the first three numbers.
KNOWN = [
    (0, 0, 0, [0.0115467543, 0.241549194, 0.111425854]),
    (3, 17, 999, [0.490321219, 0.550545394, 0.242749989]),
    (2**63 + 5, 9999, 12, [0.0961971059, 0.203929007, 0.142007202]),
]


def one_by_one(seed, episodes, steps, width):
    """A generator of its own for every row, as numpy's manual has it."""
    rows = [
        np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, int(e), int(t)]))
        for e, t in zip(episodes, steps, strict=True)
    ]
    return np.stack([row.random(width) for row in rows])


@pytest.mark.parametrize("width", [1, 3, 4, 15])
def test_rows_are_those_of_a_generator_of_their_own(width):
    rng = np.random.default_rng(0)
    episodes, steps = rng.integers(0, 10_000, 40), rng.integers(0, 1_000, 40)
    for seed in (0, 7, 2**63 + 5, 2**64 + 1):
        found = RowNoise(seed, episodes, steps).uniform(width)
        expected = torch.from_numpy(one_by_one(seed, episodes, steps, width)).float()
        assert torch.equal(found, expected.clamp(1e-7, 1 - 1e-7))


@pytest.mark.parametrize(("seed", "episode", "step", "numbers"), KNOWN)
def test_known_numbers(seed, episode, step, numbers):
    found = RowNoise(seed, np.array([episode]), np.array([step])).uniform(3)[0]
    np.testing.assert_allclose(found.numpy(), numbers, rtol=0, atol=5e-9)
