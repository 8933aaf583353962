import jaxtyping
import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeCallHintViolation
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


def test_types_are_checked_where_no_shape_is():
    with pytest.raises(TypeError, match="violates type hint"):
        parse_target(3)


def test_each_nested_function_is_itself_and_checked():
    def times(factor):
        @jaxtyping.jaxtyped(typechecker=beartype)
        def product(x: int) -> int:
            return x * factor

        return product

    twice, thrice = times(2), times(3)
    assert (twice(2), thrice(2)) == (4, 6)
    for wrong in (lambda: thrice("2"), lambda: times(0.5)(2)):
        with pytest.raises(BeartypeCallHintViolation):
            wrong()


def test_nested_functions_of_one_code_have_their_own_hints():
    def only(kind):
        @jaxtyping.jaxtyped(typechecker=beartype)
        def same(x: kind) -> kind:
            return x

        return same

    assert (only(int)(2), only(str)("2")) == (2, "2")
    with pytest.raises(BeartypeCallHintViolation):
        only(str)(2)
