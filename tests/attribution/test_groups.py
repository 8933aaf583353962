import pytest
import torch

from policyscope.attribution.asking.groups import (
    Groups,
    blocks,
    channels,
    from_masks,
    units,
    vehicle_features,
    vehicles,
)
from policyscope.core.errors import PolicyscopeError


def test_a_vehicle_is_its_whole_row_and_the_ego_stays():
    groups = vehicles((4, 3))
    assert groups.names == ("vehicle 1", "vehicle 2", "vehicle 3")
    assert groups.of.tolist() == [[-1] * 3, [0] * 3, [1] * 3, [2] * 3]


def test_the_ego_can_be_a_group_and_rows_have_the_names_of_the_space():
    groups = vehicles((3, 2), ("ego", "a", "b"), ego=True)
    assert groups.names == ("ego", "a", "b")
    assert groups.of.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert vehicles((3, 2), ("ego", "a", "b")).names == ("a", "b")


def test_features_of_one_vehicle_leave_the_others_alone():
    groups = vehicle_features((3, 2), 2)
    assert groups.names == ("feature 0", "feature 1")
    assert groups.of.tolist() == [[-1, -1], [-1, -1], [0, 1]]


def test_a_channel_is_all_its_places():
    groups = channels((3, 2, 2))
    assert groups.names == ("channel 0", "channel 1", "channel 2")
    assert groups.of.tolist() == [[[c, c], [c, c]] for c in range(3)]


def test_blocks_go_through_all_channels_and_are_cut_at_the_edges():
    groups = blocks((2, 3, 5), 2)
    assert groups.of[0].tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    assert bool((groups.of[0] == groups.of[1]).all())
    assert groups.names[2] == "rows 0-1, columns 4-4"
    assert groups.names[3] == "rows 2-2, columns 0-1"
    assert groups.sizes().tolist() == [8, 8, 4, 4, 4, 2]


def test_each_unit_by_its_place():
    groups = units((2, 3))
    assert groups.of.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert groups.names[4] == "1,1"
    assert units((2,), ("x", "y")).names == ("x", "y")


def test_masks_of_ones_own():
    left, right = (
        torch.tensor([True, False, False, True]),
        torch.tensor([False, True, False, False]),
    )
    groups = from_masks({"left": left, "right": right})
    assert groups.names == ("left", "right")
    assert groups.of.tolist() == [0, 1, -1, 0]


def test_mixing_takes_each_unit_from_where_its_group_is():
    groups = Groups(("a", "b"), torch.tensor([[0, -1], [1, 1]]))
    inside = torch.arange(12.0).view(3, 2, 2)
    outside = -inside - 1
    held = torch.tensor([[True, False], [False, True], [False, False]])
    found = groups.mix(inside, outside, held)
    for row in range(3):
        for i in range(2):
            for j in range(2):
                number = int(groups.of[i, j])
                source = inside if number < 0 or held[row, number] else outside
                assert found[row, i, j] == source[row, i, j]


def test_a_group_differs_if_any_of_its_units_does_and_units_of_no_group_do_not_count():
    groups = Groups(("a", "b"), torch.tensor([0, 0, 1, -1]))
    zeros = torch.zeros(4, 4)
    one = torch.tensor([[0.0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1], [2, 2, 2, 2]])
    assert groups.differing(one, zeros).tolist() == [
        [True, False],
        [False, True],
        [False, False],
        [True, True],
    ]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Groups(("a", "a"), torch.tensor([0, 1])), "same name"),
        (lambda: Groups(("a",), torch.tensor([0, 1])), "found 0 to 1"),
        (lambda: Groups(("a",), torch.tensor([0, -2])), "found -2 to 0"),
        (lambda: Groups(("a", "b"), torch.tensor([0, 0])), "'b' has no unit"),
        (lambda: vehicles((3, 4, 4)), "vehicles and features"),
        (lambda: vehicles((3, 4), ("ego", "a")), "3 names are needed, 2 are given"),
        (lambda: vehicle_features((3, 4), 3), "no vehicle 3, valid are 0 to 2"),
        (lambda: channels((3, 4)), "channels, rows and columns"),
        (lambda: blocks((3, 4, 4), 0), "at least 1"),
        (lambda: units((2, 2), ("a",)), "4 names are needed, 1 are given"),
        (lambda: from_masks({}), "at least one"),
        (
            lambda: from_masks({"a": torch.ones(2).bool(), "b": torch.ones(3).bool()}),
            "of one shape",
        ),
        (
            lambda: from_masks({
                "a": torch.tensor([True, False, False]),
                "b": torch.tensor([False, True, False]),
                "c": torch.tensor([False, True, True]),
            }),
            "'b' and 'c' share units",
        ),
        (
            lambda: vehicles((3, 7)).fits(torch.zeros(2, 4, 7)),
            r"shape \(3, 7\), the activation is of shape \(4, 7\)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_one_line(make, told):
    with pytest.raises(PolicyscopeError, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)
