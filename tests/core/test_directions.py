import json

import numpy as np
import pytest
import torch

from policyscope.core.directions import Direction
from policyscope.core.errors import PolicyscopeError


def test_round_trip_keeps_both_forms_exactly():
    draw = np.random.default_rng(0)
    old = Direction("memory.state", draw.normal(size=9), draw.normal(size=9), "ica/3", "ICA of r")
    new = Direction.from_json(json.loads(json.dumps(old.to_json())))
    assert (new.site, new.name, new.source) == ("memory.state", "ica/3", "ICA of r")
    assert np.array_equal(new.read, old.read)
    assert np.array_equal(new.write, old.write)


def test_projection_reads_with_the_read_form():
    read, write = np.array([1.0, -1, 0, 2]), np.array([9.0, 9, 9, 9])
    direction = Direction("s", read, write, "d")
    activation = torch.randn(5, 2, 2, requires_grad=True)
    found = direction.project(activation)
    torch.testing.assert_close(found, activation.flatten(1) @ torch.from_numpy(read).float())
    (gradient,) = torch.autograd.grad(found.sum(), activation)
    assert gradient[3].flatten().tolist() == read.tolist()
    single = Direction("s", np.array([2.0]), np.array([1.0]), "d")
    assert single.project(torch.tensor([1.0, 2.0])).tolist() == [2, 4]


def test_vectors_belong_to_the_record_alone():
    read = np.ones(2)
    direction = Direction("s", read, read, "d")
    read[0] = 5
    assert direction.read.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        direction.read[0] = 5


@pytest.mark.parametrize(
    ("read", "write", "says"),
    [
        ([1.0, 2.0], [1.0], "of one length"),
        ([[1.0]], [[1.0]], "of one length"),
        ([], [], "of one length"),
        ([np.nan], [1.0], "not finite"),
    ],
)
def test_bad_vectors_are_refused(read, write, says):
    with pytest.raises(PolicyscopeError, match=says):
        Direction("s", np.array(read), np.array(write), "d")


def test_other_sites_and_versions_are_refused():
    direction = Direction("s", np.ones(3), np.ones(3), "d")
    with pytest.raises(PolicyscopeError, match="has 3 units, site 's' has 4"):
        direction.project(torch.ones(2, 4))
    with pytest.raises(PolicyscopeError, match="version 7, this code reads version 1"):
        Direction.from_json({**direction.to_json(), "version": 7})
    with pytest.raises(PolicyscopeError, match="not a direction"):
        Direction.from_json({"version": 1, "site": "s"})
