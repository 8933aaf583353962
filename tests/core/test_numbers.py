"""Numbers as texts show them."""

import numpy as np
import pytest

from policyscope.core.numbers import rounded, signed


@pytest.mark.parametrize("digits", [2, 3, 4])
def test_a_number_is_as_near_as_its_digits_say_and_large_ones_have_no_exponent(digits):
    for value in np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-4, 6).repeat(50):
        text = rounded(value, digits)
        assert float(text) == pytest.approx(value, rel=0.5001 * 10 ** (1 - digits))
        assert "e" not in text or abs(value) < 1e-4, text


def test_around_a_thousand_nothing_is_lost_and_nothing_added():
    assert [rounded(v) for v in (999.4, 999.5, 1000, 1234.5)] == ["999", "1000", "1000", "1234"]
    assert [signed(v) for v in (0.0, -0.25, 1e6)] == ["+0", "-0.25", "+1000000"]


def test_numbers_of_arrays_are_numbers():
    assert [rounded(v) for v in (np.float32(0.1), np.int64(12345), 7)] == ["0.1", "12345", "7"]


def test_what_is_no_number_stays_so():
    assert [rounded(v) for v in (float("nan"), float("inf"))] == ["nan", "inf"]
