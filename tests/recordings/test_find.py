"""What is found, against loops over episodes; and errors that point at the word."""

import json

import numpy as np
import pytest

from policyscope.cli.main import main
from policyscope.envs.stepper import Space
from policyscope.recordings.arrays.steps import blocks
from policyscope.recordings.find import search
from policyscope.recordings.find.grammar import BadQuery, parse_query
from policyscope.recordings.find.search import find


def moments(recording, query, **options):
    """Every single (episode, step) that is found."""
    lines = find(recording, query, **options).itertuples()
    return {(line.episode, s) for line in lines for s in range(line.step, line.until + 1)}


def by_loop(recording, holds):
    """The same by hand; ``holds`` is told the episode and the step."""
    found = set()
    for k in recording.episodes["episode"]:
        data = recording.episode(k)
        found |= {(k, t) for t in range(data.sizes["step"]) if holds(data, t)}
    return found


def value(data):
    return data["q"].values.max(-1).astype(float)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of one shard each, so that what spans them is seen to be joined."""
    monkeypatch.setattr(search, "blocks", lambda recording: blocks(recording, rows=1))


def test_comparisons_hold_where_they_hold_step_by_step(recording):
    actions = list(recording.space.actions)
    a, b = actions.index("FASTER"), actions.index("SLOWER")
    scores = recording.rows(["q"])["q"].astype(float)
    level = float(np.median(abs(scores[:, a] - 2 * scores[:, b]))) + 1e-6
    query = f"abs(q[FASTER] - 2*q[SLOWER]) / 2 >= {level} / (1 + 1) and step < 4"
    found = moments(recording, query)
    wanted = by_loop(
        recording, lambda d, t: abs(d["q"][t, a] - 2 * d["q"][t, b]) >= level and t < 4
    )
    assert found == wanted
    assert 0 < len(found) < recording.episodes["steps"].sum()
    both = moments(recording, "action == FASTER or reward > 0.5")
    assert both == by_loop(recording, lambda d, t: d["action"][t] == a or d["reward"][t] > 0.5)


@pytest.mark.parametrize(("way", "sign"), [("drops", -1), ("rises", 1)])
@pytest.mark.parametrize("within", [1, 3])
def test_moves_are_looked_for_within_their_steps_and_episode(recording, way, sign, within):
    sizes = [abs(np.diff(value(recording.episode(k)))) for k in recording.episodes["episode"]]
    size = round(float(np.median(np.concatenate(sizes))), 4)
    found = moments(recording, f"value {way} > {size} within {within}")

    def moves(data, t):
        v = value(data)
        return any(sign * (later - v[t]) > size for later in v[t + 1 : t + 1 + within])

    assert found == by_loop(recording, moves)
    assert found


def test_crossings_and_changes_lie_between_two_steps_of_one_episode(recording):
    level = float(np.median(np.concatenate([value(recording.episode(k)) for k in range(3, 6)])))
    level = round(level, 4)

    def crosses(data, t):
        v = value(data)
        return t > 0 and (v[t] > level) != (v[t - 1] > level)

    assert moments(recording, f"value crosses {level}") == by_loop(recording, crosses)
    changes = by_loop(recording, lambda d, t: t > 0 and d["action"][t] != d["action"][t - 1])
    assert moments(recording, "action changes") == changes
    assert changes


def test_outcomes_hold_for_all_steps_of_their_episodes(recording):
    outcome = recording.episodes["outcome"].iloc[0].split("+")[0]
    ended = {
        int(k) for k, name in zip(recording.episodes["episode"], recording.episodes["outcome"],
                                  strict=True) if outcome in name.split("+")
    }  # fmt: skip
    assert {k for k, _ in moments(recording, f"outcome == {outcome}")} == ended
    rest = set(recording.episodes["episode"]) - ended
    assert {k for k, _ in moments(recording, f"outcome != {outcome}")} == rest


def advantage(recording, k, gamma, lam):
    """Sums of discounted errors, written out."""
    data = recording.episode(k)
    v, r = value(data), data["reward"].values
    beyond = 0.0 if data["terminated"].values[-1] else v[-1]
    errors = r + gamma * np.append(v[1:], beyond) - v
    return [
        sum((gamma * lam) ** (s - t) * errors[s] for s in range(t, len(v))) for t in range(len(v))
    ]


def test_the_largest_advantages_come_first_the_last_step_included(recording):
    known = {
        (k, t): a
        for k in recording.episodes["episode"]
        for t, a in enumerate(advantage(recording, k, 0.9, 0.8))
    }
    order = sorted(known, key=lambda at: -abs(known[at]))
    table = find(recording, "abs(advantage) top 7", gamma=0.9, lam=0.8)
    assert list(zip(table["episode"], table["step"], strict=True)) == order[:7]
    assert table["number"].to_numpy() == pytest.approx([abs(known[at]) for at in order[:7]])
    last = find(recording, "step == steps - 1 and advantage bottom 1000", gamma=0.9, lam=0.8)
    wanted = [known[k, t] for k, t in zip(last["episode"], last["step"], strict=True)]
    assert last["number"].to_numpy() == pytest.approx(wanted)
    assert (last["number"].abs() > 1e-6).all()  # the mistake: the last one forced to 0
    single = find(recording, "abs(advantage) top 7", True, gamma=0.9, lam=0.8)
    assert single["episode"].is_unique
    best = dict(reversed([(k, (k, t)) for k, t in order]))
    assert set(zip(single["episode"], single["step"], strict=True)) <= set(best.values())


def test_rewards_that_follow_are_summed_to_the_end(recording):
    table = find(recording, "return top 1000")
    for k, step, number in zip(table["episode"], table["step"], table["number"], strict=True):
        assert number == pytest.approx(recording.episode(k)["reward"].values[step:].sum())


@pytest.mark.parametrize("name", ["distance", "speed", "x", "count"])
def test_entities_are_the_nearest_of_their_kind(recording, name):
    known = {}
    for k in recording.episodes["episode"]:
        for step, scene in recording.entities(k).groupby("step"):
            ego = scene[scene["identity"] == 0].iloc[0]
            others = scene[(scene["kind"] == "vehicle") & (scene["identity"] != 0)]
            far = np.hypot(others["x"] - ego["x"], others["y"] - ego["y"])
            if name == "count":
                known[k, step] = len(others)
            elif len(others):
                nearest = far.idxmin()
                known[k, step] = far[nearest] if name == "distance" else others[name][nearest]
    table = find(recording, f"entity(vehicle).{name} top 100000")
    asked = list(zip(table["episode"], table["step"], strict=True))
    inside = {at for at in known if at[1] < recording.line(at[0])["steps"]}
    assert set(asked) == inside
    assert table["number"].to_numpy() == pytest.approx([known[at] for at in asked])


def distances(recording):
    """From the ego to the nearest other vehicle, by episode and step."""
    known = {}
    for k in recording.episodes["episode"]:
        for step, scene in recording.entities(k).groupby("step"):
            ego = scene[scene["identity"] == 0].iloc[0]
            others = scene[scene["identity"] != 0]
            if len(others):
                known[k, step] = np.hypot(others["x"] - ego["x"], others["y"] - ego["y"]).min()
    return known


@pytest.mark.parametrize(("sign", "strongest"), [("<", min), (">", max)])
def test_successive_steps_are_one_moment_with_its_strongest_number(recording, sign, strongest):
    known = distances(recording)
    middle = float(np.median(list(known.values())))
    table = find(recording, f"entity(vehicle).distance {sign} {middle}")
    assert (table["until"] > table["step"]).any()
    for line in table.itertuples():
        inside = [known[line.episode, s] for s in range(line.step, line.until + 1)]
        assert line.number == pytest.approx(strongest(inside))
    assert table[["episode", "step"]].apply(tuple, axis=1).is_monotonic_increasing
    single = find(recording, "step >= 0", True)
    assert len(single) == len(recording)
    assert (single["number"] == single["until"]).all()


def test_one_per_episode_holds_across_or(recording):
    table = find(recording, "step == 0 or step == 2", True)
    assert table["episode"].is_unique
    assert (table["step"] == 0).all()
    both = find(recording, "step == 2 or step == 0")
    assert both["step"].tolist()[:2] == [0, 2]
    assert len(both) == 2 * len(recording)


def test_what_is_unknown_holds_for_nothing(recording):
    ahead = moments(recording, "value != value@t+2")
    assert ahead <= by_loop(recording, lambda d, t: t + 2 < d.sizes["step"])
    assert ahead
    assert find(recording, "step / reward > 1 and reward == 0").empty
    assert find(recording, "1 / (step - step) != 3").empty


def test_the_one_who_acts_is_its_kind(recording):
    table = find(recording, "entity(ego).speed > 0.01 and entity(ego).distance == 0")
    assert len(table) == len(recording)
    speeds = recording.entities(0).query("identity == 0")["speed"]
    assert table["number"][0] == pytest.approx(max(speeds[: table["until"][0] + 1]))


def test_beyond_a_limit_stands_nothing_where_the_agent_was_trained_so(recording, monkeypatch):
    cut = {int(k) for k, over in zip(recording.episodes["episode"],
           recording.episodes["outcome"] == "timed_out", strict=True) if over}  # fmt: skip
    assert cut

    def last():
        table = find(recording, "step == steps - 1 and advantage top 1000", gamma=1.0, lam=1.0)
        return dict(zip(table["episode"], table["number"], strict=True))

    with_value = last()
    monkeypatch.setitem(recording.agent.card, "config", {"truncation_bootstraps": False})
    without = last()
    for k, number in with_value.items():
        data = recording.episode(k)
        lost = value(data)[-1] if k in cut else 0.0
        assert number - without[k] == pytest.approx(lost, abs=1e-6)


@pytest.mark.parametrize(
    ("query", "word", "cause"),
    [
        ("valu < 3", "valu", "did you mean value"),
        ("value drps > 1", "drps", "did you mean drops"),
        ("value drops 1", "1", "expected > or >="),
        ("value top 0", "0", "1 or more"),
        ("value top 2 and reward top 3", "value", "one may rank"),
        ("value > 1 within 5", "within", "expected and, or, or the end"),
        ("q[GAS] > 1", "q[GAS]", "FASTER"),
        ("q > 1", "q", "q is written like q[taken]"),
        ("site[nowhere][0] > 1", "site[nowhere][0]", "attention_layer"),
        ("outcome == crushed", "crushed", "Did you mean crashed? Valid: arrived, crashed, left"),
        ("action == BRAKE", "BRAKE", "SLOWER"),
        ("entity(tram).x > 0", "entity(tram).x", "vehicle"),
        ("entity(vehicle).colour > 0", "colour", "expected distance or speed"),
        ("value $ 3", "$", "cannot be read"),
        ("logit[20] > 1", "logit[20]", "no such number"),
        ("and", "and", "there is no quantity 'and'; there"),
        ("abs(value > 3", ">", "expected )"),
    ],
)
def test_errors_point_at_the_word(recording, query, word, cause):
    with pytest.raises(BadQuery) as caught:
        find(recording, query)
    assert f"at '{word}" in str(caught.value)
    assert cause in str(caught.value)
    assert "\n" not in str(caught.value)
    assert query[caught.value.at :].startswith(word)


def test_an_outcome_that_could_have_been_and_was_not_is_no_error(recording, plant):
    ended = {name for text in recording.episodes["outcome"] for name in text.split("+")}
    never = {"arrived", "crashed", "timed_out", "left_road"} - ended
    assert never, "the fixture must lack one"
    for name in never:
        assert moments(recording, f"outcome == {name}") == set()
        assert len(moments(recording, f"outcome != {name}")) == recording.episodes["steps"].sum()
    assert search.possible_kinds("procgen/coinrun") >= {"saw", "coin", "enemy", "lava", "player"}
    assert search.possible_kinds("gym:CartPole-v1") == set()
    space = Space((1,), "float32", actions=("LEFT",))
    one = {"obs": np.zeros((1, 1), "float32"), "action": np.zeros(1, int), "reward": np.zeros(1)}
    unknown = plant([{**one, "outcome": "won"}], space=space)
    with pytest.raises(BadQuery, match=r"unknown outcome 'crashed'\. Valid: won, at 'crashed'"):
        find(unknown, "outcome == crashed")


def test_an_unfinished_query_says_so():
    with pytest.raises(BadQuery, match="expected a comparison, .* at its end"):
        parse_query("value")


def test_the_command_puts_out_a_table_or_json(recorded, capsys):
    assert main(["find", str(recorded), "step == 0"]) == 0
    told = capsys.readouterr().out
    assert "10 moments in 10 of 10 episodes" in told
    assert main(["find", str(recorded), "value top 3", "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [set(line) for line in values["found"]] == [
        {"episode", "step", "until", "number", "outcome", "return"}
    ] * 3
    assert main(["find", str(recorded), "step / (step - 1) > 1", "--json", "-"]) == 0
    json.loads(capsys.readouterr().out)
    assert main(["find", str(recorded), "(step + 1) * 1e308 * 1e308 > 1", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["found"][0]["number"] is None, "infinite"
    assert main(["find", str(recorded), "step == 0", "--limit", "0"]) != 0
    assert "--limit must be at least 1" in capsys.readouterr().err
    assert main(["find", str(recorded), "value tip 3"]) != 0
    assert capsys.readouterr().err.startswith("error: query 'value tip 3': expected a comparison")
    assert main(["find", str(recorded), "step > 1000"]) == 0
    assert "0 moments in 0 of 10 episodes" in capsys.readouterr().out
