"""Descriptions of a recording: counts against the data, intervals, inline video."""

import io
import re
import shutil
import sys

import numpy as np
import pytest
from rich.console import Console

from policyscope.core.stats import wilson
from policyscope.recordings.read import open_recording
from policyscope.recordings.show import (
    action_counts,
    outcome_rates,
    recording_text,
    show_recording,
    size_text,
)


def test_actions_are_counted_by_name(recording):
    taken = np.concatenate([recording.episode(k)["action"] for k in range(10)])
    expected = {n: int((taken == i).sum()) for i, n in enumerate(("SLOWER", "IDLE", "FASTER"))}
    assert action_counts(recording) == expected
    assert sum(expected.values()) == recording.episodes["steps"].sum()


def test_outcomes_have_wilson_intervals(recording):
    rates = outcome_rates(recording)
    for name, rate in rates.items():
        k = recording.episodes["outcome"].str.split("+").map(lambda parts, n=name: n in parts).sum()
        assert rate == wilson(int(k), 10)
    assert len(rates) > 1


def test_an_episode_with_two_outcomes_counts_for_both(recording):
    recording.episodes["outcome"] = ["arrived+crashed"] * 4 + ["crashed"] * 6
    rates = outcome_rates(recording)
    assert (rates["arrived"].mean, rates["crashed"].mean) == (0.4, 1.0)


def test_the_text_holds_the_figures(recording):
    text = str(recording)
    assert text == recording_text(recording)
    steps = recording.episodes["steps"].sum()
    assert repr(recording).endswith(f"highway/intersection, 10 episodes, {steps} steps, greedy>")
    assert re.search(r"episodes +10, seeds 3 to 12\n", text)
    assert re.search(rf"steps +{recording.episodes['steps'].sum()}\n", text)
    assert re.search(r"environment +highway/intersection \(duration=6\)", text)
    for name, count in action_counts(recording).items():
        assert re.search(rf"^{name} +{count} ", text, re.M)
    for name, rate in outcome_rates(recording).items():
        assert re.search(
            rf"^{name} +{rate.mean:.3f} +{rate.low:.3f} to {rate.high:.3f}", text, re.M
        )
    assert re.search(r"^sites/attention_layer\.pattern +4 x 1 x 15$", text, re.M)


def test_the_notebook_plays_the_video_inline(recording, monkeypatch):
    html = recording._repr_html_()
    assert "<video controls" in html
    assert "src='data:video/mp4;base64,AAAA" in html
    assert "highway/intersection" in html
    monkeypatch.setitem(sys.modules, "av", None)
    without = open_recording(recording.path)._repr_html_()
    assert "<video" not in without
    assert "pip install &#x27;policyscope[video]&#x27;" in without


def test_an_unfinished_recording_says_so(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "rec")
    shutil.rmtree(tmp_path / "rec/shards/00002")
    (tmp_path / "rec/episodes.parquet").unlink()
    target = io.StringIO()
    show_recording(tmp_path / "rec", Console(file=target, width=120))
    assert "8 of 10 episodes; run the same record command again" in target.getvalue()
    assert "SLOWER" in target.getvalue()
    shutil.rmtree(tmp_path / "rec/shards")
    empty = open_recording(tmp_path / "rec", partial=True)
    assert "0 of 10 episodes" in str(empty)
    assert "<video" not in empty._repr_html_()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (5e12, "5000 GB"),
    ],
)
def test_sizes_for_people(count, text):
    assert size_text(int(count)) == text
