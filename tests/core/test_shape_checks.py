import pytest
import torch
from jaxtyping import TypeCheckError

from policyscope.core.target_parser import parse_target
from policyscope.core.targets import at_offsets


def test_shapes_of_public_tensor_arguments_are_checked_in_tests():
    target = parse_target("value@t+1")
    values = [torch.zeros(4)]
    assert at_offsets(target, values, torch.zeros(4, dtype=torch.int64)).shape == (4,)
    with pytest.raises(TypeCheckError):
        at_offsets(target, values, torch.zeros(4))
    with pytest.raises(TypeCheckError):
        at_offsets(target, [torch.zeros(4, 1)], torch.zeros(4, dtype=torch.int64))
