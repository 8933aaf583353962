"""Moments of a query: those of ``find``, piece by piece, and errors that point at the word."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from policyscope.core.errors import BadFile, UnknownName
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views import moments as views
from policyscope.panel.views.moments import Searches
from policyscope.panel.views.queries import examples
from policyscope.recordings.arrays.steps import blocks
from policyscope.recordings.find import search
from policyscope.recordings.find.grammar import BadQuery, Move, Quantity, parse_query
from policyscope.recordings.find.search import find
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record

ORDERED = "value < 100 and step != 2 or action changes"
RANKED = "abs(advantage) top 5"
EVERYTHING = 10**9


@pytest.fixture(scope="session")
def many(agent, tmp_path_factory):
    """Seven episodes in shards of two; not to be changed."""
    folder = tmp_path_factory.mktemp("moments") / "rec"
    record(agent, None, 7, 5, ["attention_layer.pattern"], folder, shard_episodes=2)
    return folder


@pytest.fixture
def shelf(many, tmp_path):
    shutil.copytree(many, tmp_path / "rec")
    return Shelf(tmp_path)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of one shard each."""
    monkeypatch.setattr(search, "blocks", lambda recording: blocks(recording, rows=1))


def lines(table):
    """Rows of ``find`` as the panel tells them."""
    return [
        (k, step, until, None if np.isnan(number) else number, outcome, total)
        for k, step, until, number, outcome, total in table.itertuples(index=False)
    ]


def told(answer):
    return [tuple(dict(moment).values()) for moment in answer.moments]


@pytest.mark.parametrize("query", [ORDERED, RANKED, "action changes", "reward > 1000"])
def test_an_answer_is_what_find_gives(shelf, query):
    table = find(shelf.recording("rec"), query)
    answer = Searches(EVERYTHING).answer(shelf, "rec", query, 1000)
    assert told(answer) == lines(table)
    assert (answer.found, answer.cut, answer.finished) == (len(table), False, True)
    assert dict(zip(answer.episode, answer.count, strict=True)) == dict(
        table["episode"].value_counts()
    )
    assert answer.episode == sorted(answer.episode)
    assert answer.ranked == (query == RANKED)
    assert answer.done == answer.steps == shelf.recording("rec").episodes["steps"].sum()
    names = {}
    *first, last = answer.python.splitlines()
    exec("\n".join(first), names)  # noqa: S102 (our own lines)
    assert lines(eval(last, names)) == lines(table)  # noqa: S307


def test_moments_of_levels_are_found_too(games):
    """Whose table has a column more."""
    shelf = Shelf(games)
    table = find(shelf.recording("coinrun"), RANKED)
    answer = Searches(EVERYTHING).answer(shelf, "coinrun", RANKED, 1000)
    assert told(answer) == lines(table.drop(columns="level"))


@pytest.mark.parametrize("query", [ORDERED, RANKED])
def test_a_search_goes_on_with_each_request(shelf, small_blocks, query):
    searches, answers = Searches(seconds=0), []
    while not answers or not answers[-1].finished:
        answers.append(searches.answer(shelf, "rec", query, 1000))
    counts = shelf.recording("rec").episodes.groupby("shard")["steps"].sum()
    assert [a.done for a in answers] == [*counts.cumsum(), counts.sum()]
    assert told(answers[-1]) == lines(find(shelf.recording("rec"), query))
    part = shelf.recording("rec").episodes["episode"].iloc[:2]
    assert {moment.episode for moment in answers[0].moments} <= set(part)
    assert answers[0].found > 0
    again = searches.answer(shelf, "rec", query, 1000)
    assert again == answers[-1]


def test_a_long_list_is_cut_but_counted_and_whole_for_one_episode(shelf):
    searches = Searches(EVERYTHING)
    table = find(shelf.recording("rec"), ORDERED)
    answer = searches.answer(shelf, "rec", ORDERED, 3)
    assert told(answer) == lines(table)[:3]
    assert (answer.found, answer.cut) == (len(table), True)
    assert sum(answer.count) == len(table)
    last = int(table["episode"].max())
    own = int((table["episode"] == last).sum())
    assert own < len(table)
    one = searches.answer(shelf, "rec", ORDERED, own, last)
    assert told(one) == lines(table[table["episode"] == last])
    assert (one.found, one.cut) == (len(table), False)
    with pytest.raises(UnknownName, match="no episode 9"):
        searches.answer(shelf, "rec", ORDERED, 50, 9)


def test_what_nobody_asks_for_does_not_go_on_and_is_forgotten(shelf, small_blocks, monkeypatch):
    monkeypatch.setattr(views, "MOST_KEPT", 2)
    searches = Searches(seconds=0)
    old = searches.answer(shelf, "rec", "step > 0", 1000)
    same = searches.answer(shelf, "rec", "step > 0", 1000)
    assert old.done < same.done < same.steps
    for query in ("step > 1", "step > 2"):
        searches.answer(shelf, "rec", query, 1000)
    assert searches.answer(shelf, "rec", "step > 2", 1000).done == same.done
    assert searches.answer(shelf, "rec", "step > 0", 1000).done == old.done
    monkeypatch.setattr(views, "MOST_MOMENTS", 1)
    searches.answer(shelf, "rec", "step > 3", 1000)
    assert len(searches._kept) == 1


def test_two_who_ask_at_once_get_the_same(shelf, small_blocks):
    searches = Searches(seconds=0)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: searches.answer(shelf, "rec", ORDERED, 1000), range(20)))
    answer = searches.answer(shelf, "rec", ORDERED, 1000)
    assert answer.done == answer.steps
    assert told(answer) == lines(find(shelf.recording("rec"), ORDERED))


def test_a_recording_written_anew_is_searched_anew(shelf, small_blocks):
    searches = Searches(seconds=0)
    first = searches.answer(shelf, "rec", "step > 0", 1000)
    assert searches.answer(shelf, "rec", "step > 0", 1000).done > first.done
    os.utime(shelf.folder / "rec" / "episodes.parquet", ns=(1, 1))
    assert searches.answer(shelf, "rec", "step > 0", 1000).done == first.done


def test_a_torn_recording_is_told_each_time_and_mended_it_is_read(shelf, small_blocks):
    searches = Searches(EVERYTHING)
    torn = next((shelf.folder / "rec").glob("shards/*/arrays.zarr/reward/c.*"))
    content = torn.read_bytes()
    torn.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(BadFile, match="torn shard"):
            searches.answer(shelf, "rec", "reward > 0", 1000)
    torn.write_bytes(content)
    assert searches.answer(shelf, "rec", "reward > 0", 1000).finished


def ask(client, query, **more):
    return client.get("/api/recordings/rec/moments", params={"query": query, **more})


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("valu < 3", "valu"),
        ("abs(valu) < 3", "valu"),
        ("  valu<3", "valu"),
        ("outcome == crushed and value > 1", "crushed"),
        ("action == BRAKE", "BRAKE"),
        ("q[GAS]-q[SLOWER] > 1", "q[GAS]"),
        ("value > site[nowhere][0]@t+5 + 1", "site[nowhere][0]@t+5"),
        ("entity(tram).x > 0 and value > 1", "entity(tram).x"),
        ("entity(vehicle).colour > 0", "colour"),
        ("value drops 12.5", "12.5"),
        ("value $ 3", "$"),
        ("value > <= 3", "<="),
        ("💥💥 > 1", "💥"),
        ("value", ""),
        ("value >  ", ""),
    ],
)
def test_an_error_gives_the_place_of_the_word(client, query, word):
    for _ in range(2):
        answer = ask(client, query)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "bad_query")
        assert query[problem["at"] :][: problem["length"]] == word
        assert problem["message"].endswith("at the query's end") == (not word)
        assert problem["length"] == len(word)
        assert "query '" not in problem["message"]
        assert "\n" not in problem["message"]
    if not word:
        assert problem["at"] == len(query)


def test_other_problems_have_no_place(client):
    for address in ("nobody/moments?query=value", "rec/moments?query=value>0&episode=99"):
        problem = client.get(f"/api/recordings/{address}").json()
        assert set(problem) == {"code", "message"}
    assert ask(client, "").status_code == 422
    assert ask(client, "1+" * 600 + "1 > 0").status_code == 422
    assert ask(client, "value > 0", most=0).status_code == 422
    assert ask(client, "step >= 0", most=1).json()["moments"][0]["step"] == 0


@pytest.mark.parametrize("folder", ["recorded", "unattended", "pictured"])
def test_examples_suit_the_recording(request, folder):
    recording = open_recording(request.getfixturevalue(folder))
    queries = examples(recording)
    assert 3 <= len(queries) == len(set(queries))
    assert sum(len(find(recording, query)) > 0 for query in queries) >= 3
    text = " ".join(queries)
    actions = recording.space.actions
    assert f"q[{actions[-1]}]-q[{actions[0]}]" in text
    assert ("entity(vehicle)" in text) == (folder != "pictured")
    assert "outcome == " in text


def test_examples_stand_with_the_recording(client, recording):
    told = client.get("/api/recordings/rec").json()["queries"]
    assert told == examples(recording)


@pytest.mark.parametrize("within", [1, 2, 3, 4, 7, 50, 10**12])
@pytest.mark.parametrize("way", ["drops", "rises"])
def test_a_move_within_any_number_of_steps(recording, way, within):
    rng = np.random.default_rng(within % 97)
    steps = next(blocks(recording))
    number = rng.normal(size=len(steps)).astype(float)
    number[rng.random(len(steps)) < 0.2] = np.nan
    sign = -1 if way == "drops" else 1
    wanted = np.full(len(steps), -np.inf)
    for t in range(len(steps)):
        later = [
            sign * (number[s] - number[t])
            for s in range(t + 1, min(t + within, len(steps) - 1) + 1)
            if steps.episode[s] == steps.episode[t]
        ]
        wanted[t] = max([-np.inf, *(change for change in later if not np.isnan(change))])
    move = Move(Quantity("value", 0), way, ">", 0.0, within)
    np.testing.assert_array_equal(search._moved(number, move, steps), wanted)
    assert np.isfinite(wanted).sum() > 5


def test_brackets_and_sums_have_an_end():
    assert parse_query("(" * 40 + "value" + ")" * 40 + " > 0").choices
    with pytest.raises(BadQuery, match="more than 50 deep"):
        parse_query("(" * 60 + "value" + ")" * 60 + " > 0")
    assert parse_query("value" + " + 1" * 90 + " > 0").choices
    with pytest.raises(BadQuery, match="more than 100 numbers"):
        parse_query("value" + " + 1 * 1" * 60 + " > 0")
