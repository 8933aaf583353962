"""Thumbnails: the ego's path on one scale for all episodes, or the last frame."""

import base64
import io
import sys

import numpy as np
import pytest
from PIL import Image

from policyscope.panel.shelf.entity_columns import Entities
from policyscope.panel.shelf.thumbnails import POINTS, ego_path, png, smaller


def test_path_of_the_ego_in_the_bounds_of_the_scene(client, recording):
    pictures = [client.get(f"/api/recordings/rec/episodes/{k}/thumbnail").json() for k in range(3)]
    assert {tuple(p["bounds"]) for p in pictures} == {tuple(recording.scene["bounds"])}
    scene = recording.entities(1)
    ego = scene[scene["kind"] == "ego"]
    np.testing.assert_allclose(pictures[1]["path"], ego[["x", "y"]], atol=0.005)
    assert pictures[1]["image"] is None


def test_long_paths_keep_their_ends_and_at_most_48_points():
    steps = np.arange(500.0)
    kind = np.zeros(1000, np.uint8)
    kind[1::2] = 1
    columns = {"kind": kind, "x": np.repeat(steps, 2) + kind * 1e6, "y": np.repeat(-steps, 2)}
    path = ego_path(Entities(columns, ["ego", "vehicle"]))
    assert len(path) == POINTS
    assert (path[0], path[-1]) == ((0.0, 0.0), (499.0, -499.0))
    assert ego_path(Entities(columns, ["vehicle", "other"])) is None


def test_last_frame_of_an_image_agent(client, served):
    got = client.get("/api/recordings/frames/episodes/1/thumbnail").json()
    head, _, data = got["image"].partition(",")
    assert head == "data:image/png;base64"
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    from policyscope.recordings.read import open_recording

    np.testing.assert_array_equal(picture, open_recording(served / "frames").episode(1)["obs"][-1])
    assert got["path"] is None


def test_pictures_need_no_library_for_pictures(client, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    got = client.get("/api/recordings/frames/episodes/0/thumbnail").json()
    assert got["image"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("height", "width", "made"),
    [(128, 128, (128, 128)), (129, 64, (64, 32)), (300, 257, (100, 85)), (1, 600, (1, 600))],
)
def test_large_pictures_become_small_ones_of_the_same_colours(height, width, made):
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, : width // 2] = (200, 100, 50)
    small = smaller(frame)
    assert small.shape == (*made, 3)
    assert small[0, 0].tolist() == [200, 100, 50]
    assert small[0, -1].tolist() == [0, 0, 0]
    picture = Image.open(io.BytesIO(png(small)))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), small)
