"""Both futures of a fork side by side on one clock."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from policyscope.core.errors import MissingPart, PolicyscopeError
from policyscope.core.result import Result
from policyscope.envs.make import make_lane
from policyscope.envs.scene import SceneEdit
from policyscope.envs.stepper import Lane, Snapshot, Start
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.compare import SIDES
from policyscope.recordings.replays.fork import unwritten
from policyscope.recordings.replays.futures import moments
from policyscope.recordings.replays.worlds import Worlds, key

GAP = 8
PAPER, INK, SOFT, ALERT = (250, 250, 250), (30, 30, 30), (110, 110, 110), (190, 60, 0)


def fork_frames(
    recording: Recording, result: Result, pair: int = 0, size: int = 360
) -> Iterator[np.ndarray]:
    """Render the two futures of a pair again from their actions.

    Args:
        recording: the one that was forked.
        result: of ``fork``.
        pair: which pair.
        size: side of each picture in pixels.

    Yields:
        (height, width, 3) uint8 for each step, the unchanged future left; a future that has ended
        keeps its last picture.

    Raises:
        MissingPart: Pillow is not installed.
        PolicyscopeError: no such pair, or a world that does not do what was recorded.

    Cost: a replay up to the step, then two pictures a step.
    """
    pairs = result.data.sizes["pair"]
    if not 0 <= pair < pairs:
        raise PolicyscopeError(f"the fork has pairs 0..{pairs - 1}, not {pair}")
    size = size // 2 * 2
    starts = _snapshots(recording, result, pair)
    data = result.data.isel(pair=pair)
    lanes = [make_lane(recording.env) for _ in SIDES]
    try:
        for lane, start in zip(lanes, starts, strict=True):
            lane.start(Start(snapshot=start))
        shown = [_picture(lane, size) for lane in lanes]
        for t in range(data.sizes["time"]):
            steps = data["steps"].values
            for s, lane in enumerate(lanes):
                if 0 < t < steps[s]:
                    lane.step(_action(data, s, t - 1))
                    shown[s] = _picture(lane, size)
            captions = [_caption(recording, data, s, t) for s in range(len(SIDES))]
            left, right = (_captioned(*each) for each in zip(shown, captions, strict=True))
            between = np.full((len(left), GAP, 3), PAPER, dtype=np.uint8)
            yield np.hstack([left, between, right])
    finally:
        for lane in lanes:
            lane.close()


def _snapshots(recording: Recording, result: Result, pair: int) -> list[Snapshot]:
    told = result.parameters
    changes = [unwritten(values) for values in told["changes"]]
    scene = [change for change in changes if isinstance(change, SceneEdit)]
    worlds = Worlds()
    try:
        course = worlds.course(recording, told["episode"])
        with worlds.alone(recording) as world:
            lane = world.at((key(recording), told["episode"]), course, told["step"])
            kept, changed = moments(lane, lane.snapshot(), scene, result.data.sizes["pair"])
    finally:
        worlds.close()
    return [kept[pair], changed[pair]]


def _picture(lane: Lane, size: int) -> np.ndarray:
    return np.array(lane.render(size))


def _action(data: Any, side: int, t: int) -> Any:
    action = data["action"].values[side, t]
    return int(action[0]) if data.attrs["actions"] else action


def _caption(recording: Recording, data: Any, side: int, t: int) -> tuple[str, str, bool]:
    """Two lines above a picture, and whether the future has ended or parts from the other."""
    steps, step = int(data["steps"].values[side]), int(data["time"].values[t])
    over = t >= steps - 1
    at = min(t, steps - 1)
    names, action = recording.space.actions, data["action"].values[side, at]
    told = names[int(action[0])] if names else " ".join(f"{a:.2f}" for a in action)
    if "value" in data:
        told += f"   value {data['value'].values[side, at]:.2f}"
    parted = 0 <= int(data["diverges"]) <= step
    head = f"{SIDES[side]}   step {min(step, int(data['time'].values[steps - 1]))}"
    if over:
        outcome = str(data["outcome"].values[side]) or "ended"
        head += f"   {outcome}, return {float(data['return'].values[side]):.2f}"
    return head, told, over or parted


def _captioned(picture: np.ndarray, caption: tuple[str, str, bool]) -> np.ndarray:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise MissingPart("pillow", "video") from None
    size = picture.shape[1]
    line = max(12, size // 18)
    bar = Image.new("RGB", (size, (line + 4) * 2), PAPER)
    draw = ImageDraw.Draw(bar)
    font = ImageFont.load_default(size=line * 3 // 4)
    head, told, marked = caption
    draw.text((6, 2), head, fill=INK, font=font)
    draw.text((6, line + 2), told, fill=ALERT if marked else SOFT, font=font)
    return np.vstack([np.asarray(bar, dtype=np.uint8), picture])
