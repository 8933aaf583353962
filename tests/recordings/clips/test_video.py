"""Videos: replay that proves itself, scene before the step, action values beside it."""

import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError
from policyscope.envs.make import make
from policyscope.envs.stepper import Start
from policyscope.recordings.clips.strips import CHOSEN, HIGH, ActionValues, panel
from policyscope.recordings.clips.video import (
    action_values,
    encode,
    episode_frames,
    replay,
    video_bytes,
    write_video,
)
from policyscope.recordings.read import Recording, open_recording

SIZE = 96


def decode(data: bytes | Path) -> list[np.ndarray]:
    source = io.BytesIO(data) if isinstance(data, bytes) else str(data)
    with av.open(source) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def rendered(recording: Recording, episode: int, after: bool) -> list[np.ndarray]:
    """Frames before (or, the mistake, after) each step."""
    data = recording.episode(episode)
    stepper = make(recording.env)
    stepper.start([Start(seed=data.attrs["seed"])])
    frames = []
    for action in data["action"].values:
        if after:
            stepper.step([action])
        frames.append(stepper.call(0, "render", SIZE))
        if not after:
            stepper.step([action])
    return frames


def test_frames_show_the_scene_before_the_step(recording):
    frames = np.stack(list(replay(recording, 2, SIZE)))
    np.testing.assert_array_equal(frames, np.stack(rendered(recording, 2, after=False)))
    assert (frames != np.stack(rendered(recording, 2, after=True))).any()


def test_the_file_is_a_video_of_the_episode(recording, tmp_path):
    path = tmp_path / "episode.mp4"
    write_video(recording, 2, path, size=SIZE, fps=4)
    frames, drawn = decode(path), list(episode_frames(recording, 2, SIZE))
    assert len(frames) == len(drawn) == recording.episode(2).sizes["step"]
    for got, want in zip(frames, drawn, strict=True):
        assert got.shape == want.shape == (SIZE, SIZE + SIZE * 2 // 3, 3)
        assert np.abs(got.astype(int) - want).mean() < 8, "lossy, but the same picture"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, float(stream.average_rate)) == ("h264", 4)
    assert [p.name for p in tmp_path.iterdir()] == ["episode.mp4"]


def test_the_recording_keeps_its_video(recording, monkeypatch):
    first = recording.video(1, SIZE)
    assert len(decode(first)) == recording.episode(1).sizes["step"]
    monkeypatch.setattr("policyscope.recordings.clips.video.video_bytes", None)
    assert recording.video(1, SIZE) is first


@pytest.mark.parametrize("change", ["world", "seed"])
def test_a_replay_that_differs_is_refused(recorded, tmp_path, change):
    shutil.copytree(recorded, tmp_path / "rec")
    path = tmp_path / "rec/recording.json"
    values = json.loads(path.read_text())
    if change == "world":
        values["env"]["options"] = {"duration": 6, "spawn_probability": 1.0}
        path.write_text(json.dumps(values))
    rec = open_recording(tmp_path / "rec")
    if change == "seed":
        shard = rec._shards[0]
        shard.episodes["seed"] += 1
        rec.episodes["seed"] += 1
    with pytest.raises(PolicyscopeError, match=r"replaying episode 0 gives another .* at step \d"):
        video_bytes(rec, 0, size=SIZE)


def test_a_shorter_world_is_refused(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "rec")
    path = tmp_path / "rec/recording.json"
    values = json.loads(path.read_text())
    values["env"]["options"] = {"duration": 5}
    path.write_text(json.dumps(values))
    rec = open_recording(tmp_path / "rec")
    timed_out = rec.episodes[rec.episodes["outcome"] == "timed_out"]["episode"]
    with pytest.raises(PolicyscopeError, match="another end at step 4"):
        video_bytes(rec, int(timed_out.iloc[0]), size=SIZE)


def test_what_the_panel_draws():
    values = np.array([[0.0, 1.0, 4.0], [4.0, 3.0, 0.0]])
    shown = ActionValues("q", ("LEFT", "STAY", "RIGHT"), values, np.array([1, 0]))
    pixels = panel(shown, 0, 240)
    assert (pixels.shape, pixels.dtype) == ((240, 160, 3), np.uint8)
    bars = pixels[45:120]

    def longest(image, colour):
        return int((image == np.array(colour)).all(-1).sum(1).max())

    assert longest(bars, CHOSEN) == pytest.approx(0.25 * 144, abs=2)  # 1 of 0..4, 144 pixels wide
    assert longest(bars, HIGH) == pytest.approx(144, abs=2)
    assert (panel(shown, 1, 240) != pixels).any()
    flat = ActionValues("q", ("LEFT", "STAY"), np.ones((3, 2)), np.zeros(3, int))
    assert longest(panel(flat, 0, 240)[45:120], CHOSEN) == pytest.approx(72, abs=2)


def test_bars_begin_where_they_are_told_and_the_last_frame_says_how_it_ended():
    values = np.array([[0.2, 0.8], [0.3, 0.7]])
    shown = ActionValues("probability", ("LEFT", "RIGHT"), values, np.array([0, 1]), least=0.0)

    def bar(pixels):
        return int((pixels[45:120] == np.array(CHOSEN)).all(-1).sum(1).max())

    assert bar(panel(shown, 0, 240)) == pytest.approx(0.25 * 144, abs=2)  # 0.2 of 0..0.8
    assert bar(panel(replace(shown, least=None), 0, 240)) <= 2
    ended = replace(shown, end="coin, return 10.00")
    np.testing.assert_array_equal(panel(ended, 0, 240), panel(shown, 0, 240))
    changed = np.flatnonzero((panel(ended, 1, 240) != panel(shown, 1, 240)).any((1, 2)))
    assert 120 <= changed[0] <= changed[-1] < 150, "in place of the heading of the strips"


def test_strips_are_drawn_once_and_belong_to_their_episode():
    one = ActionValues("q", ("A", "B"), np.array([[0.0, 1.0]] * 3), np.zeros(3, int))
    two = replace(one, values=np.array([[1.0, 0.0]] * 3))
    first = [panel(one, step, 240) for step in range(3)]
    other = panel(two, 0, 240)
    assert (other[150:] != first[0][150:]).any()
    fresh = [panel(replace(one), step, 240) for step in range(3)]
    np.testing.assert_array_equal(first, fresh)
    np.testing.assert_array_equal(first[0], panel(one, 0, 240))


def test_frames_are_counted_as_they_are_drawn(recording, tmp_path):
    counts: list[int] = []
    write_video(recording, 2, tmp_path / "episode.mp4", size=SIZE, progress=counts.append)
    assert counts == list(range(1, recording.episode(2).sizes["step"] + 1))


def test_fifteen_actions_have_a_line_each():
    actions = tuple(f"ACTION_{i}" for i in range(15))
    values = np.zeros((2, 15))
    values[0, 7], values[1, 2] = 1.0, 0.5
    told = {"value": np.array([1.0, 2.0])}
    shown = ActionValues("probability", actions, values, np.array([7, 2]), told)
    pixels, bare = panel(shown, 0, 480), panel(replace(shown, told={}), 0, 480)
    bars = pixels[:, 16 + 288 * 2 // 5 :]
    chosen = (bars == np.array(CHOSEN)).all(-1)[:312].sum(1)
    (long,) = {int(n) for n in chosen if n > 100}
    assert long == pytest.approx(288 * 3 / 5 - 288 / 6, abs=3)  # between the name and the number
    rows = np.flatnonzero(chosen == long)
    assert rows[0] >= 76 + 7 * 236 / 15
    assert rows[-1] <= 76 + 8 * 236 / 15
    where = np.flatnonzero((pixels != bare).any((1, 2)))
    assert 16 + 30 <= where[0] <= where[-1] < 76, "the numbers stand below the first line"


def test_logits_are_shown_as_probabilities_with_value_and_return(recording, monkeypatch):
    data = recording.episode(3).rename(q="logits")
    data["reward"] = ("step", np.arange(data.sizes["step"], dtype=float) + 1)
    data["value"] = ("step", np.arange(data.sizes["step"]) / 2)
    shape = recording.outputs["q"]
    monkeypatch.setattr(recording, "outputs", {"logits": shape, "value": ()})
    monkeypatch.setattr(recording, "episode", lambda number: data)
    shown = action_values(recording, 3)
    assert (shown.name, shown.least) == ("probability", 0.0)
    assert shown.end == f"{data.attrs['outcome']}, return {data['reward'].values.sum():.2f}"
    np.testing.assert_allclose(shown.values.sum(1), 1, rtol=1e-6)
    odds = np.log(shown.values[:, 0] / shown.values[:, 1])
    np.testing.assert_allclose(odds, data["logits"][:, 0] - data["logits"][:, 1], atol=1e-5)
    assert shown.told["return so far"][:4].tolist() == [0, 1, 3, 6]
    np.testing.assert_array_equal(shown.told["value"], data["value"])


def test_the_values_are_those_of_the_episode(recording):
    shown = action_values(recording, 3)
    data = recording.episode(3)
    assert (shown.name, shown.actions) == ("q", ("SLOWER", "IDLE", "FASTER"))
    assert shown.least is None, "values may be negative: their bars begin at the least"
    np.testing.assert_array_equal(shown.values, data["q"])
    np.testing.assert_array_equal(shown.chosen, data["action"])


def test_missing_packages_are_named(recording, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "av", None)
        with pytest.raises(MissingPart, match=r"'av'.*policyscope\[video\]"):
            video_bytes(recording, 0, size=SIZE)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "PIL", None)
        with pytest.raises(MissingPart, match="'pillow'"):
            video_bytes(recording, 0, size=SIZE)


def test_bad_targets_and_rates(recording, tmp_path):
    with pytest.raises(BadFile, match="cannot be written: No such file or directory"):
        write_video(recording, 0, tmp_path / "no" / "x.mp4", size=SIZE)
    with pytest.raises(PolicyscopeError, match="must be positive"):
        video_bytes(recording, 0, size=SIZE, fps=0)
    with pytest.raises(PolicyscopeError, match="no frame"):
        encode([], 2)
