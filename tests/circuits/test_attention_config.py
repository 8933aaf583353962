"""Options out of range are refused wherever they are given."""

import pytest

from policyscope.circuits.config import AttentionConfig
from policyscope.core.errors import PolicyscopeError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resamples": 0}, "resamples must be at least 100"),
        ({"level": 2.0}, "level must be 0.5 or more and less than 1, got 2"),
        ({"level": float("nan")}, "level must be 0.5 or more"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"horizon": -1.0}, "horizon must be positive and finite, got -1"),
        ({"turn": 0.0}, "turn must be positive"),
        ({"clear": float("inf")}, "clear must be positive and finite"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(PolicyscopeError, match=message):
        AttentionConfig(**options)


def test_ends_of_the_range_are_taken():
    config = AttentionConfig(resamples=100, level=0.5, seed=0, horizon=0.1)
    assert (config.resamples, config.level, config.horizon) == (100, 0.5, 0.1)
