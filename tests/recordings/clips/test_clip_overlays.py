"""Boxes lie on what they name, arrows point where the action goes, ranges are ranges."""

import numpy as np
import pytest

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.highway.lane import HighwayLane
from policyscope.envs.make import make_lane
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Start
from policyscope.recordings.clips.marks import CUT, GAIN, LOSS, Canvas, Trace, band, steers, way
from policyscope.recordings.clips.places import Outline, outlines
from policyscope.recordings.clips.strips import CHOSEN
from policyscope.recordings.clips.video import OVERLAYS, Look, episode_frames, frames, replayed
from policyscope.recordings.importers.trajectory import Kept, Trajectory, write_recording
from policyscope.recordings.read import Recording

EGO, CAR = (50, 200, 0), (100, 200, 255)
EVERYTHING = ("boxes", "action", "reward")


def inside(corners: np.ndarray, size: int, margin: float = 0.0) -> np.ndarray:
    """Pixels within a convex outline, (size, size) bool."""
    y, x = np.mgrid[:size, :size] + 0.5
    middle = corners.mean(0)
    away = corners - middle
    corners = middle + away + np.sign(away) * margin
    held = []
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        held.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
    held = np.stack(held)
    return (held >= 0).all(0) | (held <= 0).all(0)


def is_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == np.array(colour)).all(-1)


def coloured_within(lane, size: int, change=lambda corners, size: corners) -> list[float]:
    """Share of a vehicle's colour under each box in sight, and of the ego's outside its own."""
    picture, shares = lane.render(size), []
    for one in outlines(lane, size):
        corners = change(one.corners, size)
        left, top, right, bottom = one.box
        if left < 0 or top < 0 or right > size or bottom > size:
            continue
        under = inside(corners, size, -2)
        colour = EGO if one.kind == "ego" else CAR
        shares.append(float(is_colour(picture, colour)[under].mean()) if under.any() else 0.0)
        if one.kind == "ego":
            green = is_colour(picture, EGO)
            shares.append(float((green & inside(corners, size, 2)).sum() / green.sum()))
    return shares


@pytest.fixture(scope="module")
def turning() -> HighwayLane:
    """The intersection while the ego is in its turn."""
    lane = HighwayLane(EnvSpec("highway/intersection"))
    lane.start(Start(seed=3))
    for _ in range(20):
        heading = lane.entities().heading[0] % np.pi
        if 0.4 < heading < 1.2 or 1.9 < heading < 2.7 or lane.outcome():
            break
        lane.step(2)
    assert not lane.outcome(), "the ego never turned"
    return lane


@pytest.mark.parametrize("size", [600, 300])
def test_boxes_lie_on_the_vehicles(turning, size):
    shares = coloured_within(turning, size)
    assert len(shares) >= 4
    assert min(shares) > (0.75 if size == 600 else 0.5)  # edges are a larger part of small cars


WRONG = {
    "mirrored": lambda c, size: np.stack([c[:, 0], 2 * c[:, 1].mean() - c[:, 1]], 1),
    "centred": lambda c, size: c - [0, 0.1 * size],
    "smaller": lambda c, size: (c - size / 2) * 0.9 + size / 2,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_boxes_elsewhere_would_be_noticed(turning, wrong):
    assert min(coloured_within(turning, 600, WRONG[wrong])) < 0.6


def test_another_scaling_is_followed():
    lane = HighwayLane(EnvSpec("highway/intersection", {"scaling": 4.0}))
    lane.start(Start(seed=3))
    assert min(coloured_within(lane, 600)) > 0.6


@pytest.fixture(scope="module")
def coinrun():
    """A CoinRun level in which the coin is in sight."""
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    lane = make_lane(EnvSpec("procgen/coinrun", {"use_backgrounds": False}))
    for seed in range(40):
        lane.start(Start(seed=seed))
        for _ in range(60):
            coin = [o for o in outlines(lane, 512) if o.kind == "coin"]
            if coin and min(coin[0].box) > 20 and max(coin[0].box) < 490:
                return lane
            lane.step(7)
            if lane.outcome():
                break
    raise AssertionError("no coin was met")


def gold(picture: np.ndarray, box) -> bool:
    """Whether the middle of a box is yellow."""
    left, top, right, bottom = box
    x, y = round((left + right) / 2), round((top + bottom) / 2)
    red, green, blue = picture[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0)
    return bool(red > 150 and green > 120 and blue < 100)


@pytest.mark.parametrize("size", [512, 256, 300])
def test_the_coins_box_lies_on_the_coin(coinrun, size):
    picture, shown = coinrun.render(size), outlines(coinrun, size)
    (coin,) = [one for one in shown if one.kind == "coin"]
    assert gold(picture, coin.box)
    left, top, right, bottom = coin.box
    assert not gold(picture, (left, size - bottom, right, size - top)), "y upside down"
    assert not gold(picture, (left + right - left, top, right + right - left, bottom))
    assert {one.kind for one in shown} >= {"player", "coin"}
    assert "wall" not in {one.kind for one in shown}
    (player,) = [one for one in shown if one.identity == 0]
    assert (player.kind, player.name) == ("player", "player")
    assert abs((player.box[0] + player.box[2]) / 2 - size / 2) < size / 100, "it is followed"


def test_boxes_have_the_identities_that_were_recorded(recording):
    table = recording.entities(2)
    for step, lane in enumerate(replayed(recording, 2)):
        kept = table[table["step"] == step].set_index("identity")["kind"]
        shown = {one.identity: one.kind for one in outlines(lane, 200)}
        assert shown
        assert shown.items() <= kept.to_dict().items()
        assert shown[0] == "ego"


def test_a_world_without_objects_has_no_boxes():
    lane = make_lane(EnvSpec("gym:CartPole-v1"))
    lane.start(Start(seed=1))
    assert outlines(lane, 100) == []


def blank(size: int = 240, grey: int = 250) -> np.ndarray:
    return np.full((size, size, 3), grey, np.uint8)


@pytest.mark.parametrize("name", ["LEFT", "RIGHT", "UP", "DOWN", "LEFT_UP", "RIGHT_DOWN"])
def test_the_arrow_points_where_the_action_goes(name):
    canvas = Canvas(blank(720))
    canvas.action(name, arrow=True)
    side, edge = 720 // 9, 720 // 60
    pad = canvas.pixels[edge : edge + side, edge : edge + side].astype(int)
    orange = pad[..., 0] - pad[..., 2] > 120
    y, x = np.nonzero(orange)
    towards = way(name)
    centre = x.mean() - (side - 1) / 2, y.mean() - (side - 1) / 2
    assert [int(np.sign(c) * (abs(c) > 0.5)) for c in centre] == list(towards)


def test_directions_are_read_from_names():
    assert [way(n) for n in ("LEFT_DOWN", "IDLE", "Q", "FASTER")] == [(-1, 1), (0, 0), None, None]
    assert steers(["D", "IDLE", "UP"])
    assert not steers(["SLOWER", "IDLE", "FASTER"])


def drawn_at(before: np.ndarray, after: np.ndarray) -> tuple[slice, slice]:
    y, x = np.nonzero((before != after).any(-1))
    return slice(int(y.min()), int(y.max()) + 1), slice(int(x.min()), int(x.max()) + 1)


def test_rewards_and_ends_are_marked():
    for reward, colour in ((10.0, GAIN), (-1.0, LOSS)):
        canvas = Canvas(blank())
        canvas.reward(reward)
        rows, columns = drawn_at(blank(), canvas.pixels)
        assert (rows.start < 20, columns.stop > 220) == (True, True), "top right"
        assert is_colour(canvas.pixels, colour).sum() > 100
    for nothing in (0.0, float("nan")):
        canvas = Canvas(blank())
        canvas.reward(nothing)
        np.testing.assert_array_equal(canvas.pixels, blank())
    for terminated, colour in ((True, CHOSEN), (False, CUT)):
        canvas = Canvas(blank())
        canvas.end("crashed+timed_out", terminated)
        edge = np.concatenate([canvas.pixels[0], canvas.pixels[-1], canvas.pixels[:, 0]])
        assert is_colour(edge, colour).all()
        assert not is_colour(canvas.pixels[120, 5:-5], colour).any()


def box(kind: str, identity: int, left: int, top: int, side: int = 30) -> Outline:
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]]) + [left, top]
    return Outline(kind, identity, corners.astype(float))


def test_names_stand_by_their_boxes_and_not_over_each_other():
    alone = Canvas(blank(480))
    alone.boxes([box("saw", 3, 200, 200)])
    rows, columns = drawn_at(blank(480), alone.pixels)
    assert (180 < rows.start < 200 - 5, rows.stop <= 234) == (True, True)
    assert 170 < columns.start <= 200 < 230 <= columns.stop < 260
    top = Canvas(blank(480))
    top.boxes([box("saw", 3, 200, 2)])
    rows, _ = drawn_at(blank(480), top.pixels)
    assert rows.start <= 2 < 38 < rows.stop, "below, where there is no room above"
    crowded = Canvas(blank(480))
    crowded.boxes([box("saw", 3, 200, 200), box("saw", 4, 203, 200)])
    rows, _ = drawn_at(blank(480), crowded.pixels)
    assert rows.stop > 240, "the second name stands below"
    small = Canvas(blank(128))
    small.boxes([box("saw", 3, 60, 60)])
    rows, _ = drawn_at(blank(128), small.pixels)
    assert rows.start >= 59, "no names where they could not be read"


@pytest.mark.parametrize("grey", [250, 10])
def test_boxes_are_seen_on_light_and_on_dark(grey):
    canvas = Canvas(blank(480, grey))
    canvas.boxes([box("vehicle", 3, 200, 200)])
    line = canvas.pixels[215, 190:240].astype(int)
    contrast = np.abs(line - grey).max()
    assert contrast > 120


def course(pixels: np.ndarray) -> tuple[float, float]:
    """Centre of the dot in a band."""
    y, x = np.nonzero(is_colour(pixels[:, 90:], CHOSEN))
    return float(x.mean()) + 90, float(y.mean())


def test_a_band_marks_the_present_step_on_its_trace():
    trace = Trace("value", np.array([0.0, 1.0, 2.0, np.nan, 4.0]))
    places = [course(band(trace, t, range(5), 300, 60)) for t in (0, 1, 2, 4)]
    assert [x for x, _ in places] == pytest.approx([90 + 203 * f for f in (0.1, 0.3, 0.5, 0.9)],
                                                   abs=2)  # fmt: skip
    assert [y for _, y in places] == pytest.approx([53 - 46 * f for f in (0, 0.25, 0.5, 1)], abs=2)
    unknown = band(trace, 3, range(5), 300, 60)
    assert not is_colour(unknown[:, 90:], CHOSEN).any()
    part = course(band(trace, 2, range(1, 3), 300, 60))
    assert part == pytest.approx((90 + 203 * 0.75, 7), abs=2), "over the steps of the clip"
    nothing = Trace("value", np.full(3, np.nan))
    assert band(nothing, 0, range(3), 300, 60).shape == (60, 300, 3)


def test_a_range_of_steps_is_that_part_of_the_episode(recording):
    look = Look(96, EVERYTHING)
    whole = list(frames(recording, 3, look))
    count = recording.episode(3).sizes["step"]
    assert len(whole) == count
    part = list(frames(recording, 3, look, range(1, 3)))
    np.testing.assert_array_equal(part, whole[1:3])
    np.testing.assert_array_equal(
        list(frames(recording, 3, look, range(count - 1, 99))), whole[-1:]
    )
    for bad in (range(count, count + 2), range(2, 2)):
        with pytest.raises(PolicyscopeError, match="there are no steps"):
            next(frames(recording, 3, look, bad))


def test_overlays_change_what_they_should(recording):
    plain = next(frames(recording, 3, Look(200, ())))
    assert plain.shape == (200, 200, 3)
    np.testing.assert_array_equal(plain, next(replayed(recording, 3)).render(200))
    for name in ("boxes", "action"):
        assert (next(frames(recording, 3, Look(200, (name,)))) != plain).any(), name
    both = next(frames(recording, 3, Look(200, OVERLAYS, ("value", "q[FASTER]"))))
    assert both.shape == (200 + 2 * 32, 200 + (264 * 2 // 3) // 2 * 2, 3)
    usual = next(frames(recording, 3, Look(200)))
    np.testing.assert_array_equal(usual, next(episode_frames(recording, 3, 200)))
    with pytest.raises(UnknownName, match="Did you mean boxes"):
        Look(200, ("boxs",))
    with pytest.raises(PolicyscopeError, match="between 32 and 4096"):
        Look(8)


def test_imported_images_are_shown_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    seen = rng.integers(0, 256, (4, 16, 16, 3), np.uint8)
    part = Trajectory(seen, np.array([0, 1, 1, 0]), np.ones(4), "terminated")
    write_recording(Kept("x", [part], Space((16, 16, 3), "uint8", actions=("no", "yes"))),
                    tmp_path / "rec", {})  # fmt: skip
    shown = list(frames(Recording(tmp_path / "rec"), 0, Look(32, ())))
    np.testing.assert_array_equal(np.stack(shown)[:, ::2, ::2], seen)
    marked = next(frames(Recording(tmp_path / "rec"), 0, Look(32, ("action", "reward"))))
    assert (marked != shown[0]).any()
