"""Baselines by name, and what figures say of them."""

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from policyscope.attribution.baselines import BASELINES, baseline
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.tails import tail

from .conftest import rest_of


def planted(x):
    net = nn.Identity()
    return tail({"x": net}, "x", lambda rows: net(x[rows]).flatten(1).sum(1), len(x))


REST = planted(torch.tensor([[1.0, 2.0], [3.0, 5.0], [-1.0, 0.0]]))
REFERENCE = torch.tensor([[0.0, 10.0], [2.0, 20.0], [4.0, 60.0]])


@pytest.mark.parametrize(
    ("name", "reference", "values", "words"),
    [
        ("zero", None, [[0.0, 0.0]] * 3, "zero"),
        ("mean", REFERENCE, [[2.0, 30.0]] * 3, "mean of 3 reference rows"),
        ("row:1", None, [[3.0, 5.0]] * 3, "row 1 of the rows explained"),
        ("row:2", REFERENCE, [[4.0, 60.0]] * 3, "row 2 of the reference rows"),
        ("given", REFERENCE, REFERENCE.tolist(), "a given row for each row"),
    ],
)
def test_it_is_what_its_name_says(name, reference, values, words):
    found = baseline(name, REST, reference)
    assert found.values.tolist() == values
    assert found.description == words
    found.values.add_(1)  # a tensor of its own
    assert REST.activation.tolist() == [[1.0, 2.0], [3.0, 5.0], [-1.0, 0.0]]
    assert REFERENCE.tolist() == [[0.0, 10.0], [2.0, 20.0], [4.0, 60.0]]
    assert baseline(name, REST, reference).values.tolist() == values


def test_a_blur_is_scipys_in_each_channel_of_each_frame(clear):
    rest = rest_of(clear)
    found = baseline("blur", rest, sigma=2.0)
    frames = rest.activation.numpy().astype("float64")
    theirs = torch.from_numpy(gaussian_filter(frames, (0, 0, 2, 2)))
    torch.testing.assert_close(found.values, theirs.float(), rtol=1e-5, atol=1e-6)
    assert found.description == "blurred with a standard deviation of 2 pixels"
    deeper = baseline("blur", rest_of(clear, "value", "3a.relu"), sigma=0.5)
    assert deeper.description == "blurred with a standard deviation of 0.5 places"


def test_a_blur_keeps_the_mean_of_a_frame_and_its_rows_apart(clear):
    rest = rest_of(clear)
    found = baseline("blur", rest, sigma=4.0).values
    torch.testing.assert_close(found.mean((2, 3)), rest.activation.mean((2, 3)))
    alone = planted(rest.activation[2:3])
    torch.testing.assert_close(baseline("blur", alone, sigma=4.0).values[0], found[2])


def test_a_mean_of_many_rows_is_exact():
    """A million numbers of float32 added up one by one would be off in the third digit."""
    mean = baseline("mean", REST, torch.full((1_000_000, 2), 0.1)).values
    assert torch.equal(mean, torch.full((3, 2), 0.1))


@pytest.mark.parametrize("name", ["zeros", "row", "other", "row:x", "row:-1", "row:3", "row:01"])
def test_what_is_no_baseline_lists_those_there_are(name):
    with pytest.raises(UnknownName) as caught:
        baseline(name, REST)
    if name.startswith("row"):
        assert "Valid: row:0, row:1, row:2." in str(caught.value)
    else:
        assert all(one in str(caught.value) for one in BASELINES)


def test_what_a_baseline_lacks_is_named():
    for name in ("mean", "given"):
        with pytest.raises(PolicyscopeError, match=f"'{name}' needs reference rows of site 'x'"):
            baseline(name, REST)
    with pytest.raises(PolicyscopeError, match="needs reference rows"):
        baseline("mean", REST, torch.zeros(0, 2))
    with pytest.raises(PolicyscopeError, match=r"have shape \(3,\), site 'x' has shape \(2,\)"):
        baseline("mean", REST, torch.zeros(4, 3))
    with pytest.raises(PolicyscopeError, match="not finite"):
        baseline("given", REST, torch.full((3, 2), torch.nan))
    with pytest.raises(PolicyscopeError, match="each of the 3 rows explained; 2 are given"):
        baseline("given", REST, torch.zeros(2, 2))
    with pytest.raises(PolicyscopeError, match=r"site 'x' has shape \(2,\)"):
        baseline("blur", REST)


def test_a_blur_of_nothing_is_refused(clear):
    for sigma in (0.0, -1.0, float("nan")):
        with pytest.raises(PolicyscopeError, match="standard deviation above 0"):
            baseline("blur", rest_of(clear), sigma=sigma)
