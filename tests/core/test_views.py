"""Tracks and overlays: shapes that do not fit are refused with a line that names them."""

from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest
from jaxtyping import TypeCheckError

import policyscope.core.views
from policyscope.core.errors import PolicyscopeError


def without_hook():
    """The module as users run it: in tests, types and shapes are checked before it can."""
    spec = spec_from_file_location("views_without_hook", policyscope.core.views.__file__)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


views = without_hook()
Overlay, Track = views.Overlay, views.Track
WHO = np.array([[0, 4], [4, 0], [0, -1]])
EXTENT = (-10.0, -20.0, 10.0, 20.0)


def test_a_track_has_its_own_axis_unless_it_names_one():
    track = Track("speed", np.array([1.0, np.nan]))
    assert (track.group, track.kind, track.unit, track.shown) == ("speed", "line", "", False)
    assert Track("ahead", np.zeros(3), group="gaps").group == "gaps"


def test_lists_become_arrays():
    assert Track("hit", [True, False], kind="event").values.tolist() == [True, False]
    made = Overlay("near", "entities", np.ones((3, 1, 2)).tolist(), ["near"], identity=WHO.tolist())
    assert made.values.shape == (3, 1, 2)
    assert made.identity.dtype.kind == "i"
    assert made.layers == ("near",)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("", np.zeros(3)), "1 to 100 characters"),
        (("a" * 101, np.zeros(3)), "1 to 100 characters"),
        ((5, np.zeros(3)), "1 to 100 characters"),
        (("v", np.zeros((3, 1))), r"track 'v': values have shape \(3, 1\), expected \(T,\)"),
        (("v", 1.0), r"shape \(\)"),
        (("v", np.array(["a", "b"])), "track 'v': values are <U1, expected numbers"),
        (("v", np.array([1 + 2j])), "complex128"),
        (("v", np.zeros(3), "", "", "bar"), "kind is line or event, got 'bar'"),
    ],
)
def test_wrong_tracks_are_refused(arguments, told):
    with pytest.raises(PolicyscopeError, match=told):
        Track(*arguments)


@pytest.mark.parametrize("over", ["frame", "scene"])
def test_maps_over_a_plane(over):
    extent = EXTENT if over == "scene" else None
    made = Overlay("heat", over, np.zeros((3, 2, 8, 9)), ["a", "b"], extent=extent, scale=(-1, 1))
    assert made.values.shape == (3, 2, 8, 9)


@pytest.mark.parametrize(
    ("shape", "more", "told"),
    [
        ((3, 2), {}, r"values have shape \(3, 2\), expected 3 axes"),
        ((3, 1, 2, 2), {}, "expected 3 axes"),
        ((3, 2, 2), {}, "the second of 1 layers"),
        ((3, 1, 5), {}, r"shape \(3, 2\), expected whole numbers of shape \(T, E\) = \(3, 5\)"),
        ((4, 1, 2), {}, r"\(T, E\) = \(4, 2\)"),
        ((3, 1, 2), {"identity": None}, "an overlay over entities needs identity"),
        ((3, 1, 2), {"identity": WHO.astype(float)}, "identity is float64"),
        ((3, 1, 2), {"extent": EXTENT}, "an overlay over the entities has no extent"),
        ((3, 1, 2), {"scale": (1.0, 1.0)}, "does not go from low to high"),
        ((3, 1, 2), {"scale": (np.nan, 1.0)}, "does not go from low to high"),
        ((3, 1, 2), {"over": "roads"}, "entities, frame or scene, got 'roads'"),
        ((3, 1, 2), {"over": "frame"}, "expected 4 axes"),
        ((3, 1, 2, 2), {"over": "frame"}, "over frame has no identity"),
        ((3, 1, 2, 2), {"over": "scene", "identity": None}, "the scene needs its extent"),
        ((3, 1, 2, 2), {"over": "scene", "identity": None, "extent": (5, 0, -5, 1)}, "x low"),
        ((3, 1, 2, 2), {"over": "scene", "identity": None, "extent": (5, 9)}, "x low"),
        ((3, 1, 2, 2), {"over": "frame", "identity": None, "extent": EXTENT}, "has no extent"),
        ((3, 1, 2), {"name": ""}, "a name has 1 to 100"),
    ],
)
def test_wrong_overlays_are_refused(shape, more, told):
    given = {"name": "near", "over": "entities", "layers": ["near"], "identity": WHO, **more}
    with pytest.raises(PolicyscopeError, match=told):
        Overlay(values=np.zeros(shape), **given)


def test_text_is_no_map():
    with pytest.raises(PolicyscopeError, match="overlay 'near': values are <U1"):
        Overlay("near", "entities", np.full((3, 1, 2), "a"), ["near"], identity=WHO)


def test_the_hook_of_the_tests_sees_wrong_shapes_too():
    with pytest.raises(TypeCheckError):
        policyscope.core.views.Track("v", np.zeros((3, 1)))
    with pytest.raises(TypeCheckError):
        policyscope.core.views.Overlay("n", "entities", np.zeros((4, 1, 2)), ["n"], identity=WHO)
