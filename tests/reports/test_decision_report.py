"""A report of one decision: its parts are those that their methods give, and say when missing."""

import html
import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.cli import explain as explain_verb
from policyscope.cli import fork as fork_verb
from policyscope.cli import report as report_verb
from policyscope.cli.flags import parse
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.numbers import rounded
from policyscope.envs.entities import entity_name
from policyscope.envs.make import make, versioned
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.figures.decision_page import write_decision
from policyscope.recordings.record import record
from policyscope.recordings.replays.fork import ForkConfig, fork
from policyscope.recordings.replays.whatif import ask
from policyscope.recordings.replays.why_not import why_not
from policyscope.recordings.replays.worlds import Worlds
from policyscope.reports import blame, decision
from policyscope.reports.config import ReportConfig
from policyscope.reports.decision import headline, report
from policyscope.reports.numbers import numbers_of
from policyscope.reports.told import lines_of, values_of

QUICK = ReportConfig(seeds=2, size=96)
AT = (1, 3)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    folder = tmp_path_factory.mktemp("road") / "rec"
    return record(load_agent("highway-ego-attention"), None, 2, 3, [], folder)


@pytest.fixture(scope="module")
def found(road):
    return report(road, *AT, QUICK)


def test_the_heading_says_what_was_done_where_and_how_it_ended(road, found):
    line, action = road.line(1), int(road.episode(1)["action"].values[3])
    told = found.headline
    assert f"episode 1, step 3, the agent chose {road.space.actions[action]};" in told
    assert "highway/intersection" in told
    assert f"{int(line['steps']) - 4} step" in told
    assert str(line["outcome"]).replace("_", " ").split("+")[0] in told
    assert f"return {line['return']:.2f}" in told
    last = int(line["steps"]) - 1
    assert "ended with this step" in headline(road, 1, last, None)


def test_the_numbers_are_the_recorded_ones(road, found):
    q = road.episode(1)["q"].values[3]
    assert found.numbers.kind == "Q-value"
    np.testing.assert_allclose(found.numbers.values, q)
    assert found.numbers.best == q.argmax()
    taken = found.numbers.taken
    assert taken == int(road.episode(1)["action"].values[3])
    assert found.numbers.other == next(a for a in np.argsort(-q) if a != taken)


def test_shares_and_effects_are_those_of_the_methods(road, found):
    config = AttributionConfig(method="shapley", trust=False)
    one = attribute(road, config, *AT).data
    table = found.blame.entities
    assert list(table["share"].abs()) == sorted(table["share"].abs(), reverse=True)
    for line in table.to_dict("records"):
        (slot,) = np.flatnonzero(one["identity"].values[0] == line["identity"])
        assert line["share"] == pytest.approx(float(one["vehicles"].values[0, 0, slot]))
        answer = ask(road, *AT, [SceneEdit("remove", line["identity"])])
        before, after = answer.target(one.attrs["target"])
        assert line["effect"] == pytest.approx(before - after, abs=1e-5)
    names = [line["name"] for line in found.blame.trust]
    assert {"deletion", "removal"} <= set(names)
    assert all(line["low"] is not None for line in found.blame.trust if line["n"])


def test_what_would_change_it_is_what_the_verbs_say(road, found):
    other = found.numbers.names[found.numbers.other]
    result = why_not(road, *AT, other)
    assert found.nearest.action == other
    assert found.nearest.result.data.equals(result.data)
    margin, far = (float(result.data[name].values[0]) for name in ("margin", "distance"))
    by = "" if np.isnan(far) else f", by {far:.3g} m"
    assert found.nearest.told == (f"{result.data['told'].values[0]}{by}" if margin > 0 else "")
    assert (found.nearest.after is None) == (margin <= 0)
    most = found.blame.entities.iloc[0]
    assert found.without.identity == most["identity"]
    before, after = found.without.target
    assert before - after == pytest.approx(most["effect"], abs=1e-5)
    edit = SceneEdit("remove", int(most["identity"]))
    again = fork(road, *AT, [edit], ForkConfig(2))
    np.testing.assert_array_equal(found.fork.data["difference"], again.data["difference"])
    assert (found.scene.pixels != found.without.picture.pixels).any()


def test_it_can_be_told_as_json_and_lines(found):
    values = json.loads(json.dumps(values_of(found), allow_nan=False))
    assert values["missing"] == {}
    assert values["passed"] is True
    assert values["attribution"]["entities"][0]["name"] == found.blame.entities["name"][0]
    assert values["without"]["action"] == list(found.without.action)
    assert values["fork"]["pairs"] == 2
    assert set(values["seconds"]) >= {"clip", "attribution", "fork"}
    titles = [title for title, _ in lines_of(found)]
    assert titles[:2] == ["target", "owed to"]
    assert titles[-1] == "played on"


def test_the_trust_line_shows_its_interval_and_n(found):
    (line,) = [line for line in found.blame.trust if line["name"] == "removal"]
    mean, low, high = (rounded(line[name]) for name in ("mean", "low", "high"))
    of = f"n = {line['n']} of {found.blame.decisions} decisions"
    assert dict(lines_of(found))["trust"] == f"removal {mean} [{low}, {high}], {of}"
    one = {**line, "low": None, "high": None}
    some = replace(found, blame=replace(found.blame, trust=[one]))
    assert dict(lines_of(some))["trust"] == f"removal {mean} (one episode), {of}"


def test_numbers_have_a_unit_and_three_digits(found, tmp_path):
    write_decision(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    text = html.unescape(re.sub(r"<[^>]+>", " ", page.split("<main>")[1].split("<footer>")[0]))
    assert not re.findall(r"(?<![\w.])-?[1-9]\d*\.\d{3,}", text)  # such as -18.5963
    assert not re.findall(r"(?<![\w.])0\.0*[1-9]\d{3,}", text)
    assert "share (return)" in page
    assert "Q-value (return)" in page
    if found.nearest.told.startswith("move"):
        assert re.search(r"to x \S+ m, y \S+ m, by \S+ m$", found.nearest.told)
        assert found.nearest.told in page
    fewer = [line for line in found.blame.trust if line["n"] < found.blame.decisions]
    assert bool(fewer) == ("Left out are those" in page)
    lines = dict(lines_of(found))
    assert lines["target"].endswith(" return")
    assert "0.333333" not in lines["target"]


def test_one_entity_has_one_name(road, found, tmp_path):
    """In table, picture, change, fork and command line."""
    who = found.without
    assert who.name == entity_name("vehicle", who.identity)
    assert found.fork.parameters["told"] == [f"remove {who.name}"]
    names = {one.identity: one.name for one in found.scene.outlines}
    table = found.blame.entities.set_index("identity")["name"]
    shown = [i for i in table.index if i in names]
    assert shown
    assert [names[i] for i in shown] == [table[i] for i in shown]
    first = found.nearest.result.data.isel(change=0)
    assert entity_name(str(first["entity"].values), int(first["identity"])) in found.nearest.told


def test_commands_and_origin_name_what_was_used(road, found, tmp_path):
    place = f"{road.path.name}:1:3"
    assert f"policyscope explain {place} --method shapley" in found.commands["attribution"]
    assert found.commands["fork"].endswith(f"--edit 'remove {found.without.identity}' --seeds 2")
    assert found.commands["why not"] == f"policyscope why-not {place} {found.nearest.action}"
    assert road.plan.weights in found.provenance["weights"]
    assert "400,000 steps" in found.provenance["agent"]
    assert found.provenance["seed of the episode"] == str(int(road.line(1)["seed"]))
    path = tmp_path / "page.html"
    assert write_decision(found, path) == path.stat().st_size
    page = path.read_text()
    assert str(road.path.parent) not in page
    assert "<script" not in page
    assert found.without.name in page
    assert 'src="data:video/mp4;base64,' in page


def test_commands_ask_for_what_was_asked(road):
    config = ReportConfig(seeds=2, size=96, seed=3, method="gradient")
    some = report(road, *AT, config, typed="rec")
    words = {name: shlex.split(line)[2:] for name, line in some.commands.items()}
    made = parse(report_verb.Args, words["report"], "report", "")
    asked = {name: getattr(made, name) for name in ReportConfig.__dataclass_fields__}
    assert ReportConfig(**asked) == replace(config, target=made.target)
    assert made.target == some.blame.result.data.attrs["target"]
    assert parse(explain_verb.Args, words["attribution"], "explain", "").attribution.seed == 3
    played = parse(fork_verb.Args, words["fork"], "fork", "")
    assert (played.seed, played.seeds) == (3, 2)


def test_commands_leave_out_what_is_the_default(road):
    usual = ReportConfig(seeds=1, fork=False, method="gradient")
    commands = report(road, *AT, usual).commands
    assert "seed " not in " ".join(commands.values())
    assert "--size" not in commands["report"]


def test_only_the_usual_target_is_told_in_words(road, found, tmp_path):
    words = "The Q-value of the chosen action minus the mean over all actions"
    write_decision(found, tmp_path / "usual.html")
    page = (tmp_path / "usual.html").read_text()
    assert f"{words} is" in page
    assert "The target q[taken]" not in page
    asked = ReportConfig(size=96, fork=False, target="q[taken]-0.5*q[SLOWER]", method="gradient")
    write_decision(report(road, *AT, asked), tmp_path / "own.html")
    page = (tmp_path / "own.html").read_text()
    assert words not in page
    assert "The target q[taken] - 0.5*q[SLOWER] is" in page


def test_untrained_networks_that_are_not_shown_are_not_asked(poles, monkeypatch):
    asked = []

    def kept(recording, config, *more):
        asked.append(attribute(recording, config, *more))
        return asked[-1]

    monkeypatch.setattr(blame, "attribute", kept)
    assert report(poles, 1, 2, QUICK).blame.units
    assert len(asked) == 2
    for result in asked:
        assert "attribution" in result.data
        assert "fresh" not in result.data


def test_worlds_are_closed_where_a_part_fails(poles, monkeypatch):
    closed = []

    class Watched(Worlds):
        def close(self):
            super().close()
            closed.append(self)

    monkeypatch.setattr(decision, "Worlds", Watched)
    with pytest.raises(PolicyscopeError, match="number 9 does not exist"):
        report(poles, 1, 2, ReportConfig(target="q[9]", size=96))
    assert len(closed) == 1


def test_futures_can_be_left_out(road):
    some = report(road, *AT, ReportConfig(seeds=2, size=96, fork=False, method="gradient"))
    assert some.fork is None
    assert "--no-fork" in some.missing["fork"]
    assert some.blame.result.data.attrs["method"] == "gradient"
    assert "--no-fork" in some.commands["report"]
    assert "fork" not in some.commands


@pytest.fixture(scope="module")
def poles(tmp_path_factory):
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    stepper = make(spec, 1)
    network = "mlp", {"features": 4, "widths": [8], "actions": 2}
    agent = Agent(build_network(*network), network, "q", stepper.space, env=spec)
    stepper.close()
    return record(agent, None, 3, 0, [], tmp_path_factory.mktemp("poles") / "rec")


def test_parts_that_a_world_does_not_allow_say_why(poles, tmp_path):
    some = report(poles, 1, 2, QUICK)
    assert some.blame.entities.empty
    assert len(some.blame.units) == 4
    values = [abs(value) for _, value in some.blame.units]
    assert values == sorted(values, reverse=True)
    assert some.nearest is some.without is some.fork is None
    assert set(some.missing) >= {"why not", "without", "fork"}
    assert all(len(why.splitlines()) == 1 for why in some.missing.values())
    page = tmp_path / "page.html"
    write_decision(some, page, "dark")
    assert page.read_text().count("Left out: ") >= 3


def test_what_was_asked_for_and_cannot_be_is_an_error(road, poles):
    with pytest.raises(UnknownName, match="unknown action 'FLY'"):
        report(road, *AT, ReportConfig(target="q[FLY]"))
    with pytest.raises(UnknownName, match="method"):
        report(road, *AT, ReportConfig(method="guess"))
    with pytest.raises(PolicyscopeError, match="has no step 99"):
        report(road, 1, 99)
    with pytest.raises(PolicyscopeError, match="seeds"):
        ReportConfig(seeds=0)
    with pytest.raises(PolicyscopeError, match="places"):
        report(poles, 1, 2, ReportConfig(method="grad_cam", size=96))


def test_probabilities_of_a_policy_that_draws(tmp_path):
    rec = record(load_agent("coinrun-gru"), None, 1, 8, [], tmp_path / "rec")
    logits = rec.episode(0)["logits"].values[5].astype(float)
    numbers = numbers_of(rec, 0, 5)
    assert numbers.kind == "probability"
    chances = np.exp(logits) / np.exp(logits).sum()
    names = list(rec.space.actions)
    idle = [names.index(name) for name in ("IDLE", "D", "A", "W", "S", "Q", "E")]
    told = dict(zip(numbers.names, numbers.values, strict=True))
    assert told["no-op ×7"] == pytest.approx(chances[idle].sum(), rel=1e-6)
    assert told["RIGHT"] == pytest.approx(chances[names.index("RIGHT")], rel=1e-6)
    assert len(told) == 9
    assert numbers.values[numbers.best] == max(numbers.values)
    likely = {name: group[0] for name, group in zip(numbers.names, numbers.actions, strict=True)}
    assert likely["no-op ×7"] == max(idle, key=lambda i: chances[i])  # the one that is asked about
    assert int(rec.episode(0)["action"].values[5]) in numbers.actions[numbers.taken]
    assert numbers.told["value"] == pytest.approx(float(rec.episode(0)["value"].values[5]))
    assert "the agent drew" in headline(rec, 0, 5, numbers)
    assert f"probability {numbers.values[numbers.taken]:.2f}" in headline(rec, 0, 5, numbers)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_report_of_frames(tmp_path):  # 40 s
    rec = record(load_agent("coinrun-gru"), None, 1, 8, [], tmp_path / "rec")
    asked = ReportConfig(seeds=2, size=96, target="value", method="input_x_gradient")
    some = report(rec, 0, 5, asked)
    assert some.missing == {}
    table = some.blame.entities
    assert {"player", "walls"} <= set(table["name"])
    assert table["name"].is_unique
    assert np.isnan(table.set_index("name").loc["walls", "effect"])
    page = tmp_path / "page.html"
    write_decision(some, page)
    pictures = 3 + 2 * (some.nearest.after is not None)  # the scene has its map over it
    assert page.read_text().count("<image") == pictures
