"""Geometry of the vehicles about the ego."""

import numpy as np
import pandas as pd
import pytest

from policyscope.circuits.relations import SECTORS, closest_approach, relations, sector, wrap

COLUMNS = ["episode", "step", "identity", "x", "y", "heading", "speed"]
NORTH = -np.pi / 2


def one(rows, **options):
    return relations(pd.DataFrame(rows, columns=COLUMNS), **options)


def test_distance_bearing_and_speed_of_a_known_scene():
    found = one([
        (0, 0, 0, 0.0, 0.0, NORTH, 5.0),
        (0, 0, 1, 0.0, -10.0, np.pi / 2, 5.0),
        (0, 0, 2, -7.0, 0.0, 0.0, 0.0),
        (0, 0, 3, 3.0, 4.0, NORTH, 5.0),
    ]).set_index("identity")  # fmt: skip
    assert found["distance"].tolist() == pytest.approx([10, 7, 5])
    assert found["bearing"][1] == pytest.approx(0)
    assert found["bearing"][2] == pytest.approx(-np.pi / 2)
    assert found["relative_speed"].tolist() == pytest.approx([10, 5, 0])
    assert found["closest_approach"].tolist() == pytest.approx([0, 7, 5])
    assert found["closest_time"].tolist() == pytest.approx([1, 0, 0])
    named = [SECTORS[i] for i in sector(found["bearing"].to_numpy())]
    assert named == ["front", "left", "behind"]


def test_a_vehicle_east_of_a_northbound_ego_is_on_its_right():
    """Y grows to the south: with mathematical angles left and right would change places."""
    found = one([(0, 0, 0, 0, 0, NORTH, 5), (0, 0, 1, 9, 0, 0, 5)])
    assert SECTORS[sector(found["bearing"].to_numpy())[0]] == "right"
    wrong = wrap(np.array([NORTH - np.arctan2(0, 9)]))
    assert SECTORS[sector(wrong)[0]] == "left"


def test_closest_approach_equals_a_search_over_time():
    rng = np.random.default_rng(0)
    offset, velocity = rng.normal(0, 30, (200, 2)), rng.normal(0, 10, (200, 2))
    times = np.linspace(0, 3, 30_001)
    found, when = closest_approach(offset, velocity, 3.0)
    for i in range(0, 200, 10):
        path = np.linalg.norm(offset[i] + velocity[i] * times[:, None], axis=1)
        assert found[i] == pytest.approx(path.min(), abs=1e-3)
        assert when[i] == pytest.approx(times[path.argmin()], abs=1e-3)


def test_closest_approach_stays_within_the_horizon():
    offset, velocity = np.array([[100.0, 0.0]]), np.array([[-10.0, 0.0]])
    assert closest_approach(offset, velocity, 3.0)[0][0] == pytest.approx(70)
    assert closest_approach(offset, velocity, 20.0)[0][0] == pytest.approx(0)
    apart = closest_approach(offset, -velocity, 3.0)
    assert (apart[0][0], apart[1][0]) == (100, 0)


def test_heading_change_follows_the_identity_and_wraps():
    found = one([
        (0, 0, 0, 0, 0, 0, 0), (0, 0, 1, 9, 0, 3.1, 5), (0, 0, 2, 5, 0, 0.0, 5),
        (0, 1, 0, 0, 0, 0, 0), (0, 1, 2, 5, 0, 0.4, 5), (0, 1, 1, 9, 0, -3.1, 5),
        (0, 3, 0, 0, 0, 0, 0), (0, 3, 1, 9, 0, -3.0, 5),
        (1, 0, 0, 0, 0, 0, 0), (1, 0, 1, 9, 0, 1.0, 5),
    ]).set_index(["episode", "step", "identity"])["heading_change"]  # fmt: skip
    assert found[0, 1, 1] == pytest.approx(2 * np.pi - 6.2)
    assert found[0, 1, 2] == pytest.approx(0.4)
    assert np.isnan(found[0, 0, 1])
    assert np.isnan(found[0, 3, 1]), "a step was missed in between"
    assert np.isnan(found[1, 0, 1]), "another episode"


def test_sectors_are_quarters_and_nan_is_none():
    angles = np.array([0.78, 0.79, 2.35, 2.36, -2.35, -2.36, -0.79, -0.78, np.nan])
    assert sector(angles).tolist() == [0, 1, 1, 2, 3, 2, 3, 0, -1]
