"""The words of numbers: what they are compared with, and why figures have fewer decisions."""

import pytest
import xarray as xr

from policyscope.attribution.config import without_baseline
from policyscope.attribution.results.wording import baseline_words, fewer_words
from policyscope.core.result import Result

LINE = [{"name": "deletion", "n": 29}]


def told(method, trust=(), options=()):
    attrs = {"method": method, "baseline": "mean of 9 decisions", "trust": list(trust)}
    data = xr.Dataset({"target": ("row", [1.0])}, attrs=attrs)
    result = Result("attribution", data, {"options": list(options)}, unchecked="made up")
    return baseline_words(result)


@pytest.mark.parametrize("method", ["shapley", "occlusion", "conductance", "captum:Lime"])
def test_methods_with_a_baseline_are_compared_with_it(method):
    assert told(method, LINE) == "compared with: mean of 9 decisions"


@pytest.mark.parametrize(
    "method", ["gradient", "smooth_gradient", "grad_cam", "blur", "captum:Saliency"]
)
def test_of_the_others_only_the_trust_line_sets_units_to_it(method):
    assert without_baseline(method)
    assert told(method) == "no baseline"
    assert told(method, LINE) == "no baseline; the trust line sets units to: mean of 9 decisions"


def test_a_baseline_that_is_given_as_an_option_is_told():
    given = told("captum:Occlusion", options=("strides=2", "baselines=0.5"))
    assert given == "compared with: baselines=0.5"


def test_why_there_are_fewer_is_told_where_there_are():
    assert "of 32" in fewer_words(LINE, 32)
    assert fewer_words(LINE, 29) == ""
