"""GIFs: frames, times, palette, and the command that writes them."""

import io
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from policyscope.cli.export_form import form_of
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.recordings.clips.gif import encode_gif
from policyscope.recordings.clips.video import Look, frames


def read(data: bytes) -> tuple[list[np.ndarray], list[int], Image.Image]:
    image = Image.open(io.BytesIO(data))
    pictures, times = [], []
    for number in range(image.n_frames):
        image.seek(number)
        pictures.append(np.asarray(image.convert("RGB")).astype(int))
        times.append(image.info["duration"])
    return pictures, times, image


def scene(t: int) -> np.ndarray:
    """Grey shades with a few pixels of gold that move."""
    picture = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] * 3, 64, 0).repeat(3, 2)
    picture[10:14, 3 * t : 3 * t + 4] = (250, 200, 10)
    return picture


def test_frames_come_back_and_rare_colours_stay():
    made = [scene(t) for t in range(5)]
    pictures, times, image = read(encode_gif(made, 10))
    assert len(pictures) == 5
    assert times == [100] * 5
    assert image.info["loop"] == 0, "it repeats"
    for got, want in zip(pictures, made, strict=True):
        assert np.abs(got - want).mean() < 4
        gold = (want == (250, 200, 10)).all(-1)
        assert np.abs(got[gold] - (250, 200, 10)).max() < 30


def test_more_frames_than_the_palette_is_made_of():
    pictures, _, _ = read(encode_gif((scene(t % 20) for t in range(70)), 50))
    assert len(pictures) == 70
    assert np.abs(pictures[69] - scene(69 % 20)).mean() < 4


def test_a_colour_of_one_late_frame_has_its_place_in_the_palette():
    made = [np.full((64, 64, 3), i % 20 * 12, np.uint8) for i in range(100)]
    made[77][20:24, 20:24] = (255, 0, 0)
    pictures, _, _ = read(encode_gif(iter(made), 10))
    assert len(pictures) == 100
    assert np.abs(pictures[77][21, 21] - (255, 0, 0)).max() < 10


def test_equal_frames_are_shown_longer():
    _, times, _ = read(encode_gif([scene(0), scene(0), scene(0), scene(1)], 10))
    assert sum(times) == 400


def test_a_few_pixels_of_a_rare_colour_keep_it_among_many_colours():
    """Cutting colours at their medians made a coin brown."""
    y, x = np.mgrid[:128, :128].astype(np.uint8)
    picture = np.stack([x, y, (x ^ y)], -1)
    picture[60:64, 60:64] = (255, 215, 0)
    (got,), _, _ = read(encode_gif([picture], 10))
    assert np.abs(got[61, 61] - (255, 215, 0)).max() < 25


@pytest.mark.parametrize("fps", [0, 51, -2])
def test_rates_that_a_gif_cannot_show_are_refused(fps):
    with pytest.raises(PolicyscopeError, match="at most 50 frames per second"):
        encode_gif([scene(0)], fps)


def test_no_frames_are_refused():
    with pytest.raises(PolicyscopeError, match="no frame"):
        encode_gif([], 10)


def test_the_command_writes_a_clip(recorded, tmp_path, capsys, recording):
    out = tmp_path / "clip.gif"
    argv = ["export", str(recorded), "3", "--out", str(out), "--steps", "1:3", "--size", "96"]
    assert main([*argv, "--fps", "10", "--overlay", "boxes", "action", "--target", "value"]) == 0
    assert f"wrote {out}: 2 steps of episode 3" in capsys.readouterr().out
    pictures, times, _ = read(out.read_bytes())
    wanted = list(frames(recording, 3, Look(96, ("boxes", "action"), ("value",)), range(1, 3)))
    assert [p.shape for p in pictures] == [w.shape for w in wanted]
    assert sum(times) == 200
    for got, want in zip(pictures, wanted, strict=True):
        assert np.abs(got - want).mean() < 6


def test_the_form_is_that_of_the_name(recorded, tmp_path, capsys):
    shutil.copytree(recorded, tmp_path / "rec")
    assert main(["export", str(tmp_path / "rec"), "2", "--to", "mp4", "--size", "64"]) == 0
    assert (tmp_path / "rec-2.mp4").read_bytes()[4:8] == b"ftyp"
    assert main(["export", str(tmp_path / "rec"), "--to", "parquet", "--columns", "value"]) == 0
    assert "value" in pq.read_schema(tmp_path / "rec.parquet").names
    assert "10 episodes" in capsys.readouterr().out
    assert form_of(["rec"]) == "html"
    assert form_of(["rec", "--out", "page.html", "--to", "gif"]) == "gif"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--to", "gff"], "Did you mean gif"),
        (["--to", "gif", "--out", "x.mp4"], "ends with .gif"),
        (["--out", "x.gif", "--steps", "5"], "written FIRST:END"),
        (["--out", "x.gif", "--steps", "500:"], "there are no steps"),
        (["--out", "x.gif", "--target", "valu"], "Did you mean value"),
        (["--out", "x.parquet", "--track", "value"], "--track"),
        (["--to", "minari", "--out", "x"], "name it x-v0"),
    ],
)
def test_wrong_flags_are_one_line(recorded, tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(recorded), *flags]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_a_dataset(recorded, tmp_path, capsys):
    pytest.importorskip("h5py")
    pytest.importorskip("minari")
    out = tmp_path / "sets/cars-v0"
    argv = ["export", str(recorded), "--to", "minari", "--out", str(out), "--infos", "outputs"]
    assert main(argv) == 0
    assert "minari.load_dataset('cars-v0')" in capsys.readouterr().out
    assert main(["import", str(out), "--out", str(tmp_path / "rec")]) == 0
    assert "10 episodes" in capsys.readouterr().out
