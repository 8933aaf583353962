"""Objects of CoinRun and Maze: identities, and boxes that hold what is drawn."""

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.envs.make import make
from policyscope.envs.procgen import codes
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.motion import joined, listed, moving_in
from policyscope.envs.procgen.objects import (
    GOAL,
    PLAYER,
    SCENERY,
    boxes,
    first_identities,
    scenery,
    table,
)
from policyscope.envs.procgen.state import parse, serialize
from policyscope.envs.procgen.tables import still, tables
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

LARGE = 512


def shown_in(state):
    return table(state, first_identities(state), scenery(state))


def hidden(state, shown, row):
    """A copy of the state in which one object is not drawn."""
    copy, identity = state.copy(), shown.identity[row]
    if identity == GOAL:
        copy.grid[copy.grid == codes.GOAL[state.game]] = codes.EMPTY
    elif identity == PLAYER:
        copy.entities["alpha"][copy.player] = 0
    elif identity < SCENERY:
        at = first_identities(state).index(identity)
        copy.entities["alpha"][listed(copy)[at]] = 0
    else:
        left, top = shown.x[row] - shown.length[row] / 2, shown.y[row] - shown.width[row] / 2
        low = state.grid.shape[0] - int(top + shown.width[row])
        right = int(left + shown.length[row])
        copy.grid[low : low + int(shown.width[row]), int(left) : right] = codes.EMPTY
    return copy


class Camera:
    """Draws states at 64 and 512."""

    def __init__(self, procgen):
        self.engine = Engine(procgen.engine.game, 1, procgen.options, large=True)

    def __call__(self, state):
        self.engine.set_state(0, serialize(state))
        return {64: self.engine.observe()[0][0].copy(), LARGE: self.engine.picture(0)}


def changed_inside(pictures, without, state, shown, row, flip=False):
    """Changed pixels in all and outside of the box, at 64 and 512."""
    counts = []
    for size in (64, LARGE):
        changed = (pictures[size] != without[size]).any(axis=-1)
        left, top, right, bottom = boxes(state, shown, size)[row]
        if flip:
            top, bottom = size - bottom, size - top
        inside = np.zeros_like(changed)
        low, high = max(int(np.floor(top)), 0), max(int(np.ceil(bottom)), 0)
        inside[low:high, max(int(np.floor(left)), 0) : max(int(np.ceil(right)), 0)] = True
        counts.append((int(changed.sum()), int((changed & ~inside).sum())))
    return counts


def test_whatever_is_drawn_of_an_object_lies_in_its_box(procgen):
    camera, kinds, flipped_outside = Camera(procgen), set(), 0
    for data in procgen.meet(10, every=25):
        state = parse(data)
        shown, pictures = shown_in(state), camera(state)
        rows = np.flatnonzero(shown.identity < SCENERY).tolist()
        rows += np.flatnonzero(shown.kind == "lava").tolist()
        rows += np.flatnonzero(shown.kind == "wall")[:4].tolist()
        for row in rows:
            without = camera(hidden(state, shown, row))
            for changed, outside in changed_inside(pictures, without, state, shown, row):
                assert outside == 0, f"{shown.kind[row]} is drawn outside of its box"
                if changed:
                    kinds.add(shown.kind[row])
            flipped = changed_inside(pictures, without, state, shown, row, flip=True)
            flipped_outside += sum(outside for _, outside in flipped)
    goal, player = ("coin", "player") if procgen.engine.game == "coinrun" else ("cheese", "mouse")
    assert {player, "wall"} <= kinds
    assert goal in kinds or procgen.engine.game == "coinrun"
    assert flipped_outside > 1000, "boxes upside down would not be noticed"


def colours(picture, box, across=(0.4, 0.6), down=(0.4, 0.6)):
    """Mean colour of a part of a box."""
    left, top, right, bottom = box
    rows = slice(*(round(top + f * (bottom - top)) for f in down))
    columns = slice(*(round(left + f * (right - left)) for f in across))
    return picture[rows, columns].reshape(-1, 3).mean(axis=0)


def alone(box, others):
    """Whether a box lies within the picture and no other lies over it."""
    left, top, right, bottom = box
    if left < 0 or top < 0 or right > LARGE or bottom > LARGE:
        return False
    apart = (others[:, 0] >= right) | (others[:, 2] <= left)
    return bool((apart | (others[:, 1] >= bottom) | (others[:, 3] <= top)).all())


def grey(rgb):
    return np.ptp(rgb) < 45


def gold(rgb):
    return rgb[0] > 180 and rgb[1] > 120 and rgb[2] < 110


LOOKS = {
    "coin": (gold, (0.4, 0.6), (0.4, 0.6)),
    "cheese": (gold, (0.4, 0.6), (0.5, 0.7)),
    "saw": (grey, (0.35, 0.65), (0.75, 0.95)),
    "mouse": (grey, (0.4, 0.7), (0.75, 0.9)),
    "lava": (lambda rgb: rgb[0] > 200 and 60 < rgb[1] < 150 and rgb[2] < 80, (0.4, 0.6), (0.6, 1)),
}


def test_colours_under_the_boxes_are_those_of_the_objects(procgen):
    camera, seen = Camera(procgen), dict.fromkeys(LOOKS, 0)
    for data in procgen.meet(200, every=30):
        state = parse(data)
        shown = shown_in(state)
        picture, all_boxes = camera(state)[LARGE], boxes(state, shown, LARGE)
        solid = np.isin(shown.kind, ["wall"])
        for row, kind in enumerate(shown.kind):
            if kind not in LOOKS or seen[kind] >= 15:
                continue
            others = np.delete(all_boxes, np.flatnonzero(solid | (shown.identity == row)), axis=0)
            others = others[(others != all_boxes[row]).any(axis=1)]
            if alone(all_boxes[row], others):
                looks, across, down = LOOKS[kind]
                rgb = colours(picture, all_boxes[row], across, down)
                assert looks(rgb), f"{kind} has the colour {rgb}"
                seen[kind] += 1
    if procgen.engine.game == "maze":
        assert seen["cheese"] > 5
        assert seen["mouse"] == 15
    else:
        assert seen["coin"] + seen["saw"] > 5


def test_identities_stay_through_an_episode():
    stepper = make(EnvSpec("procgen/coinrun"), 6)
    stepper.start([Start(level=k) for k in range(40, 46)])
    first = [stepper.call(i, "entities") for i in range(6)]
    seen = {kind for table in first for kind in table.kind}
    assert {"player", "coin", "saw", "enemy", "crate", "wall"} <= seen
    for t in range(40):
        stepper.step([7 + t % 2] * 6)
        for i in range(6):
            now = stepper.call(i, "entities")
            assert np.array_equal(now.identity, first[i].identity)
            assert np.array_equal(now.kind, first[i].kind)
            still = np.isin(now.kind, ["coin", "saw", "crate", "wall", "lava"])
            for name in ("x", "y", "speed", "heading"):
                assert np.array_equal(now.columns()[name][still], first[i].columns()[name][still])
    assert first[0].identity[0] == PLAYER
    assert all((t.identity[t.kind == "coin"] == [GOAL]).all() for t in first)


def test_later_tables_are_the_ones_made_anew(make_play):
    """Also of many games at once, whose objects stand in one array."""
    play = make_play("coinrun", "hard", seed=9)
    states = [parse(data) for data in play.states()]
    scenes = [still(state, first_identities(state)) for state in states]
    levels = [state.progress["current_level_seed"] for state in states]
    compared = 0
    for _ in range(5):
        play.go(7)
        now = [parse(data) for data in play.states()]
        pairs = zip(levels, now, strict=True)
        same = [i for i, (old, s) in enumerate(pairs) if s.progress["current_level_seed"] == old]
        moving = joined([moving_in(now[i]) for i in same])
        found = tables([scenes[i] for i in same], moving)
        for i, later in zip(same, found, strict=True):
            for name, column in shown_in(now[i]).columns().items():
                assert np.array_equal(later.columns()[name], column), name
            compared += 1
    assert compared > 50


def test_enemies_head_where_they_move(make_play):
    play = make_play("coinrun", "hard", seed=3)
    play.go(30)
    before = [shown_in(parse(data)) for data in play.states()]
    play.engine.act(np.full(play.slots, 4, np.int32))
    first = play.engine.observe()[2].copy()
    agree = total = 0
    for old, data, begun in zip(before, play.states(), first, strict=True):
        if begun:
            continue
        new = shown_in(parse(data))
        enemies = old.kind == "enemy"
        moved = new.x[enemies] - old.x[enemies]
        agree += int((np.sign(moved) == np.sign(np.cos(old.heading[enemies]))).sum())
        total += int(enemies.sum())
        assert set(np.round(old.heading[enemies], 9)) <= {0.0, round(np.pi, 9)}
    assert total > 5
    assert agree >= 0.9 * total


def test_walls_and_lava_are_covered_exactly_once(procgen):
    for data in procgen.meet(25):
        state = parse(data)
        around = scenery(state)
        covered = np.zeros(state.grid.shape, int)
        height = state.grid.shape[0]
        for x, y, length, width in zip(
            around.x, around.y, around.length, around.width, strict=True
        ):
            low = round(height - y - width / 2)
            left = round(x - length / 2)
            covered[low : low + round(width), left : left + round(length)] += 1
        solid = [*codes.SOLID[state.game]]
        solid += [codes.LAVA, codes.LAVA_TOP] if state.game == "coinrun" else []
        assert np.array_equal(covered, np.isin(state.grid, solid).astype(int))
        assert len(around.x) < 300
