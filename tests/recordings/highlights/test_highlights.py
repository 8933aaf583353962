"""Moments that were planted are chosen, each with its reason, and their clips show them."""

import io
import json
from collections import Counter

import av
import numpy as np
import pytest
from PIL import Image

from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.stepper import Space
from policyscope.figures.highlights_page import commands, place, write_highlights
from policyscope.recordings.clips.video import replay
from policyscope.recordings.find.search import find
from policyscope.recordings.highlights.clips import FRAME, film_all, pictures_of
from policyscope.recordings.highlights.moments import (
    KINDS,
    bad_outcomes,
    choose,
    clip_range,
    clip_steps,
    ordinal,
)

PICTURES = Space((16, 16, 3), "uint8", actions=("STAY", "GO", "JUMP"))
STEPS = 40
PLANTED = {
    ("better", 1, 12),
    ("worse", 2, 25),
    ("jump", 3, 20),
    ("undecided", 5, 30),
    ("failure", 7, STEPS - 1),
    ("failure", 10, STEPS - 1),
}


def quiet(k, outcome="won"):
    """An episode in which nothing happens; each frame is one bright column further."""
    frames = np.zeros((STEPS, 16, 16, 3), np.uint8)
    for t in range(STEPS):
        frames[t, :, t % 16] = (250, 200, 40)
    logits = np.tile(np.array([4.0, 0.0, 0.0], np.float32), (STEPS, 1))
    return {
        "obs": frames,
        "action": np.arange(STEPS) % 3,
        "reward": np.zeros(STEPS),
        "value": np.full(STEPS, 1 + 1e-3 * k, np.float32),
        "logits": logits,
        "outcome": outcome,
    }


def planted_episodes():
    outcomes = {7: "lost", 9: "lost", 10: "fell"}
    made = [quiet(k, outcomes.get(k, "won")) for k in range(12)]
    for episode in made:
        episode["reward"][-1] = 0.5 * (episode["outcome"] == "won")
    made[1]["reward"][12] = 10
    made[2]["reward"][25] = -10
    made[3]["value"][:21] += 4
    made[5]["logits"][30] = 0
    made[7]["value"][:] = np.linspace(1, 6, STEPS)
    return made


@pytest.fixture
def planted(plant):
    return plant(planted_episodes(), space=PICTURES, outputs=("value", "logits"))


def chosen(moments):
    return {(m.kind, m.episode, m.step) for m in moments}


def test_the_planted_moments_are_chosen(planted):
    assert bad_outcomes(planted) == ["lost", "fell"]
    moments = choose(planted, 6)
    assert chosen(moments) == PLANTED
    assert [m.kind for m in moments] == ["better", "worse", "jump", "undecided", *["failure"] * 2]
    why = {m.kind: m.why for m in reversed(moments)}
    assert why["better"] == "Advantage +9.96: largest of 480 steps."
    assert why["worse"] == "Advantage \N{MINUS SIGN}9.89: smallest of 480 steps."
    assert why["jump"] == "The value falls by 4 in one step: largest of 480 steps."
    assert why["undecided"] == "Entropy 1.099 of at most 1.099 nats: largest of 480 steps."
    assert why["failure"] == "Outcome lost with 6 still expected: the most of 2 such episodes."
    assert moments[-1].why.endswith("with 1.01 still expected: the only such episode.")
    assert [m.kind for m in choose(planted, 1)] == ["failure"]


def test_a_planted_moment_that_is_moved_is_found_where_it_went(plant):
    """So the test above would see a choice that looks a step aside."""
    made = planted_episodes()
    made[3]["value"][20] -= 4
    made[5]["logits"][[30, 31]] = made[5]["logits"][[31, 30]]
    moved = plant(made, space=PICTURES, outputs=("value", "logits"))
    found = chosen(choose(moved, 6))
    assert found - PLANTED == {("jump", 3, 19), ("undecided", 5, 31)}


@pytest.mark.parametrize("clips", [5, 12, 40])
def test_one_an_episode_and_kind_and_no_two_share_a_step(recording, planted, clips):
    for rec in (recording, planted):
        moments = choose(rec, clips)
        assert 0 < len(moments) <= clips
        assert max(Counter((m.kind, m.episode) for m in moments).values()) == 1
        shown = Counter((m.episode, t) for m in moments for t in range(m.first, m.last + 1))
        assert max(shown.values()) == 1
        for m in moments:
            assert 0 <= m.first <= m.step <= m.last < rec.line(m.episode)["steps"]


def test_a_moment_next_to_a_stronger_one_makes_room(plant):
    made = planted_episodes()
    made[3]["logits"][22] = 0  # as undecided as it gets, but within the clip of the jump
    made[5]["logits"][30] = [0.2, 0, 0]
    crowded = plant(made, space=PICTURES, outputs=("value", "logits"))
    moments = choose(crowded, 6)
    assert chosen(moments) == PLANTED
    second = next(m for m in moments if m.kind == "undecided")
    assert (second.rank, second.why.split(": ")[1]) == (2, "2nd largest of 480 steps.")
    assert chosen(choose(crowded, 1, ["undecided"])) == {("undecided", 3, 22)}


def test_ranks_are_places_among_all_steps_and_queries_find_the_moment(recording):
    q = recording.rows(["q"])
    ordered = np.sort(q["q"].astype(float), 1)
    margin = ordered[:, -1] - ordered[:, -2]
    moments = choose(recording, 12)
    undecided = [m for m in moments if m.kind == "undecided"]
    assert len(undecided) > 1
    for m in undecided:
        at = (q["episode"] == m.episode) & (q["step"] == m.step)
        assert m.number == pytest.approx(float(margin[at][0]))
        assert m.rank == 1 + (margin < margin[at]).sum()
        assert m.of == len(margin)
    for m in moments:
        found = find(recording, m.query)
        inside = (found["episode"] == m.episode) & (found["until"] == m.step)
        assert inside.any()
        assert m.outcome == recording.line(m.episode)["outcome"]
        assert m.total == recording.line(m.episode)["return"]


def test_clips_lie_around_their_moment(planted):
    assert clip_steps(planted) == 24
    assert clip_range(planted, 0, 20, ends=False) == (4, 27)
    assert clip_range(planted, 0, 3, ends=False) == (0, 23)
    assert clip_range(planted, 0, 38, ends=False) == (16, 39)
    assert clip_range(planted, 0, 39, ends=True) == (16, 39)


def test_imported_episodes_are_chosen_by_how_they_ended(plant):
    made = [
        {**{n: quiet(k)[n] for n in ("obs", "action", "reward")}, "outcome": outcome}
        for k, outcome in enumerate(["won", "lost", "won", "lost", "lost"])
    ]
    for k in (0, 2):
        made[k]["reward"][-1] = 1
    bare = plant(made, space=PICTURES)
    moments = choose(bare, 12)
    assert {(m.kind, m.step, m.rank) for m in moments} == {("failure", STEPS - 1, None)}
    assert {m.episode for m in moments} == {1, 3, 4}
    assert moments[0].why == "Outcome lost: one of 3 such episodes."
    orders = {tuple(m.episode for m in choose(bare, 12, seed=s)) for s in range(6)}
    assert len(orders) > 1
    assert [m.episode for m in choose(bare, 12)] == [m.episode for m in moments]
    same = plant([{**e, "outcome": "won"} for e in made], space=PICTURES, name="same")
    lowest = choose(same, 2)
    assert {m.episode for m in lowest} <= {1, 3, 4}
    assert "one of the lowest of 5 episodes" in lowest[0].why
    for e in made:
        e["reward"][:] = 0
    nothing = plant([{**e, "outcome": "won"} for e in made], space=PICTURES, name="nothing")
    with pytest.raises(PolicyscopeError, match="nothing to choose moments by: it has no values"):
        choose(nothing)


def test_what_is_asked_for_must_exist(planted):
    assert {m.kind for m in choose(planted, 4, ["worse", "jump"])} == {"worse", "jump"}
    with pytest.raises(UnknownName, match="unknown kind of moment 'jumps'. Did you mean jump"):
        choose(planted, 3, ["jumps"])
    with pytest.raises(PolicyscopeError, match="at least 1 clip"):
        choose(planted, 0)
    assert set(KINDS) == {"better", "worse", "jump", "undecided", "failure"}
    assert [ordinal(n) for n in (1, 12, 23, 101, 1111)] == [
        "",
        "12th ",
        "23rd ",
        "101st ",
        "1,111th ",
    ]


def decoded(video):
    with av.open(io.BytesIO(video)) as container:
        rate = float(container.streams.video[0].average_rate)
        return rate, [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(video=0)]


def test_a_clip_is_the_replayed_steps_with_the_moment_framed(recording):
    moment = next(m for m in choose(recording, 6) if m.kind == "jump")
    (clip,), notes = film_all(recording, [moment], 96)
    assert not notes
    rate, frames = decoded(clip.video)
    drawn = list(replay(recording, moment.episode, 96))[moment.first : moment.last + 1]
    assert (len(frames), rate) == (len(drawn), pytest.approx(clip_steps(recording) / 3, rel=1e-3))
    assert clip.actions == [
        recording.space.actions[a]
        for a in recording.episode(moment.episode)["action"].values[moment.first :][: len(drawn)]
    ]
    inner = slice(8, -8)
    for got, want in zip(frames, drawn, strict=True):
        assert abs(got[inner, inner] - want[inner, inner].astype(int)).mean() < 8
    edges = [abs(frame[0] - np.array(FRAME)).mean() < 30 for frame in frames]
    assert [t for t, framed in enumerate(edges) if framed] == [moment.step - moment.first]
    value = recording.episode(moment.episode)["q"].values.max(-1)
    np.testing.assert_allclose(clip.trace, value[moment.first : moment.last + 1])
    poster = np.asarray(Image.open(io.BytesIO(clip.poster))).astype(int)
    assert abs(poster - frames[edges.index(True)]).mean() < 12
    assert clip.size == (96, 96)


def test_what_cannot_be_replayed_is_shown_from_recorded_pictures(planted):
    moments = choose(planted, 6)
    clips, notes = film_all(planted, moments, 64)
    assert len(notes) == 1
    assert "the recorded observations, because" in notes[0]
    assert "did not start from a seed" in notes[0]
    for moment, clip in zip(moments, clips, strict=True):
        _, frames = decoded(clip.video)
        obs = planted.episode(moment.episode)["obs"].values[moment.first : moment.last + 1]
        assert len(frames) == len(obs)
        for t, (frame, seen) in enumerate(zip(frames, obs, strict=True)):
            if t != moment.step - moment.first:
                column = frame[32].reshape(16, 4, 3).mean((1, 2)).argmax()
                assert column == seen[0, :, 0].argmax()


def test_where_there_is_no_picture_numbers_are_drawn(plant, tmp_path):
    made = planted_episodes()
    for episode in made:
        episode["obs"] = np.stack([np.arange(STEPS), np.zeros(STEPS), -np.arange(STEPS)], 1) * 1.0
    space = Space((3,), "float64", actions=PICTURES.actions)
    numbers = plant(made, space=space, outputs=("value", "logits"))
    moments = choose(numbers, 6)
    clips, notes = film_all(numbers, moments)
    assert "Clips show numbers, because" in notes[0]
    assert not any(clip.video for clip in clips)
    assert set(clips[0].lines) == {"logits[STAY]", "logits[GO]", "logits[JUMP]"}
    size = write_highlights(numbers, clips, tmp_path / "page.html", notes)
    page = (tmp_path / "page.html").read_text()
    assert size == len(page.encode())
    assert page.count('<svg class="lines"') == 6
    assert "<video" not in page
    assert "Play all" not in page.split("<script>")[0]


def test_observations_of_every_layout_become_pictures():
    picture = np.zeros((2, 12, 9, 3), np.uint8)
    picture[:, 3] = (9, 8, 7)
    for obs in (picture, np.moveaxis(picture, -1, 1)):
        frames = pictures_of(obs, 36)
        assert len(frames) == 2
        assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
        larger = frames[0].shape[0] // 12
        np.testing.assert_array_equal(frames[0][::larger, ::larger], picture[0])
    stack = np.stack([np.full((10, 10), grey, np.uint8) for grey in (1, 2, 3, 4)])[None]
    assert (pictures_of(stack, 20)[0] == 4).all(), "the newest of a stack"
    assert pictures_of(np.zeros((5, 10, 10), np.uint8), 20)[0].shape == (20, 20, 3)
    for none in (
        np.zeros((3, 12, 9, 3)),
        np.zeros((3, 4), np.uint8),
        np.zeros((3, 5, 7), np.uint8),
    ):
        assert pictures_of(none, 36) is None


def test_the_page_says_where_and_how_to_go_on(planted, tmp_path):
    moments = choose(planted, 6)
    clips, notes = film_all(planted, moments, 64)
    write_highlights(planted, clips, tmp_path / "page.html", [*notes, "<b>not bold</b>"])
    page = (tmp_path / "page.html").read_text()
    assert page.count('src="data:video/mp4;base64,') == page.count('poster="data:image/jpeg') == 6
    assert "http" not in page.replace("http-equiv", "")
    assert "&lt;b&gt;not bold" in page
    for m in moments:
        assert f"{planted.path}:{m.episode}:{m.step}<" in page
        assert place(m, planted) == f"{planted.path}:{m.episode}:{m.step}"
        assert f"#/recordings/planted/episodes/{m.episode}?step={m.step}" in page
    panel, asked = commands(moments[2], planted)
    assert panel == f"policyscope panel {planted.path}"
    assert asked == f"policyscope find {planted.path} 'abs(value@t+1 - value) top 1'"


def test_the_command_writes_the_page_and_says_what_is_in_it(planted, tmp_path, capsys):
    page, listed = tmp_path / "page.html", tmp_path / "moments.json"
    words = ["highlights", str(planted.path), "--clips", "6", "--out", str(page)]
    assert main([*words, "--json", str(listed), "--size", "64"]) == 0
    said = capsys.readouterr().out
    assert f"{planted.path}:1:12  Advantage +9.96" in said
    assert f"wrote {page}: 6 clips, {page.stat().st_size / 1e6:.2f} MB" in said
    values = json.loads(listed.read_text())
    assert {(m["kind"], m["episode"], m["step"]) for m in values["moments"]} == PLANTED
    page.unlink()
    assert main([*words, "--json", "-", "--kinds", "jump", "worse"]) == 0
    told = json.loads(capsys.readouterr().out)["moments"]
    assert {m["kind"] for m in told} == {"jump", "worse"}
    assert not page.exists()


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--kinds", "jmp"], "Did you mean jump"),
        (["--clips", "0"], "--clips must be at least 1"),
        (["--size", "5"], "--size must lie between"),
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--out", "nowhere/page.html"], "its folder does not exist"),
        (["--json", "nowhere/m.json"], "its folder does not exist"),
    ],
)
def test_wrong_flags_are_told_in_one_line(planted, capsys, words, cause):
    assert main(["highlights", str(planted.path), *words]) == 2
    said = capsys.readouterr().err
    assert cause in said
    assert said.count("\n") == 1
