"""Actions that do the same are one action of a report: preferred, asked for, and told apart."""

import html
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from policyscope.agents.store import load_agent
from policyscope.envs.scene import SceneEdit
from policyscope.figures.decision_page import write_decision
from policyscope.recordings.record import record
from policyscope.recordings.replays.whatif import ask
from policyscope.reports.config import ReportConfig
from policyscope.reports.decision import report
from policyscope.reports.numbers import joined, numbers_of, read_alone
from policyscope.reports.parts import Numbers
from policyscope.reports.told import lines_of, values_of

IDLE = ("IDLE", "D", "A", "W", "S", "Q", "E")
QUICK = ReportConfig(seeds=1, size=96, fork=False, method="input_x_gradient")


@pytest.fixture(scope="module")
def coins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coins") / "rec"
    return record(load_agent("coinrun-gru"), None, 1, 8, [], folder)


@pytest.fixture(scope="module")
def decisions(coins):
    """The numbers of each step, beside the probability of each effect, added up by hand."""
    names = list(coins.space.actions)
    idle = [names.index(name) for name in IDLE]
    found = []
    for step, logits in enumerate(coins.episode(0)["logits"].values):
        chances = softmax(logits.astype(float))
        whole = {name: chances[i] for i, name in enumerate(names) if i not in idle}
        whole["no-op ×7"] = chances[idle].sum()
        found.append((numbers_of(coins, 0, step), whole))
    return found


def test_the_preferred_one_is_the_row_with_the_largest_probability(decisions):
    single = 0
    for numbers, whole in decisions:
        assert dict(zip(numbers.names, numbers.values, strict=True)) == pytest.approx(whole)
        assert numbers.names[numbers.best] == max(whole, key=whole.get)
        single += int(np.argmax(numbers.single)) not in numbers.actions[numbers.best]
    assert single, "of no decision here is the most likely single action of another effect"


def test_what_is_asked_for_is_the_most_likely_effect_that_was_not_taken(coins, decisions):
    drawn, actions = 0, coins.episode(0)["action"].values
    for action, (numbers, whole) in zip(actions, decisions, strict=True):
        name = coins.space.actions[int(action)]
        done = "no-op ×7" if name in IDLE else name
        assert numbers.names[numbers.taken] == done
        other = numbers.names[numbers.other]
        assert other != done
        assert whole[other] == max(chance for name, chance in whole.items() if name != done)
        drawn += other == numbers.names[numbers.best]
    assert 0 < drawn < len(decisions), "the policy draws what it prefers, and what it does not"


def test_of_actions_that_do_the_same_probabilities_add_up_and_q_values_do_not():
    groups = ((0,), (2, 1))
    assert joined("probability", (0.25, 0.25, 0.5), groups) == (0.25, 0.75)
    assert joined("Q-value", (1.0, -3.0, 2.0), groups) == (1.0, 2.0)


STILL = Numbers(
    "probability", ("GO", "no-op ×2"), (0.4, 0.6), 1, 1, {}, ((0,), (2, 1)),
    ("GO", "no-op", "no-op"), ("GO", "IDLE", "D"), (0.4, 0.25, 0.35), 1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("logp[taken]", ["logp[taken] is of IDLE alone (probability 0.25), one of 2 actions with "
                         "the effect no-op (0.6 together)"]),
        ("logp[best]-logp[GO]", ["logp[best] is of GO alone"]),
        ("logit[D]", ["logit[D] is of D alone (probability 0.35)"]),
        ("logit[2]", ["logit[2] is of D alone"]),
        ("logp[GO]", []),
        ("value", []),
        ("logp[taken]@t+1", []),
        ("logit[taken]-0.3*logit[GO]-0.3*logit[IDLE]-0.3*logit[D]",
         ["logit[taken] is of IDLE alone"]),
    ],
)  # fmt: skip
def test_a_target_of_one_of_several_names_it(target, told):
    found = [one.told for one in read_alone(STILL, target)]
    if target.startswith("logp[best]"):
        assert found == []  # the most likely single action has an effect of its own
        found = [one.told for one in read_alone(replace(STILL, single=(0.3, 0.25, 0.45)), target)]
        told = ["logp[best] is of D alone"]
    assert len(found) == len(told)
    assert all(a.startswith(b) for a, b in zip(found, told, strict=True))


def test_actions_of_different_effects_are_never_told_apart():
    each = replace(STILL, names=("GO", "A", "B"), values=STILL.single, actions=((0,), (1,), (2,)))
    assert read_alone(each, "logp[taken]-logp[GO]") == []
    assert read_alone(None, "logp[taken]") == []


def text_of(found, folder):
    """Words of the page, by the section's id."""
    write_decision(found, folder / "page.html")
    parts = re.split(r'<section class="[^"]*" id="([^"]+)">', (folder / "page.html").read_text())
    words = (html.unescape(re.sub(r"<[^>]+>", " ", part)) for part in parts[2::2])
    return dict(zip(parts[1::2], words, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_page_of_a_key_that_does_nothing(coins, decisions, tmp_path):
    """The agent prefers its effect, though the most likely single action has another."""
    step = next(
        step for step, (n, _) in enumerate(decisions)
        if n.taken == n.best and len(n.actions[n.taken]) > 1
        and int(np.argmax(n.single)) in n.actions[n.other]
    )  # fmt: skip
    numbers = decisions[step][0]
    found = report(coins, 0, step, QUICK)
    key, chance = numbers.keys[numbers.executed], numbers.single[numbers.executed]
    note = f"logp[taken] is of {key} alone (probability {chance:.3g}), one of 7 actions with the"
    assert note in dict(lines_of(found))["target"]
    page = text_of(found, tmp_path)
    assert note in page["attribution"]
    assert f"Executed: {key} (probability {chance:.3g}), one of 7" in page["numbers"]
    assert f"The target, of {key} alone, goes from" in page["without"]
    values = values_of(found)
    assert values["numbers"]["executed"]["action"] == key
    assert values["numbers"]["preferred"] == values["numbers"]["chosen"] == "no-op ×7"
    assert values["attribution"]["alone"][0].startswith(note)
    assert found.without.action[0] == "no-op"
    other = numbers.called(numbers.other)
    assert found.nearest.action == other != "no-op"
    assert found.nearest.result.data.attrs["action"] == other
    assert found.nearest.change is None or prefers(coins, step, found.nearest, other)


def prefers(coins, step, nearest, other):
    """Whether the agent, asked again after the change that is told, prefers an effect."""
    one = nearest.result.data.isel(change=nearest.change)
    place = {name: float(one[name]) for name in ("x", "y")} if one["kind"] == "move" else {}
    edit = SceneEdit(str(one["kind"].values), int(one["identity"]), place)
    logits = ask(coins, 0, step, [edit]).changed.outputs["logits"]
    numbers = numbers_of(coins, 0, step)
    whole = joined("probability", tuple(softmax(logits.astype(float))), numbers.actions)
    return numbers.called(int(np.argmax(whole))) == other


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_where_it_drew_what_it_does_not_prefer_no_change_is_needed(coins, decisions, tmp_path):
    step = next(step for step, (n, _) in enumerate(decisions) if n.taken != n.best)
    found = report(coins, 0, step, QUICK)
    best = decisions[step][0].called(decisions[step][0].best)
    assert found.nearest.action == best
    assert found.nearest.result is None
    assert "why not" not in found.missing
    assert "why not" not in found.commands
    told = dict(lines_of(found))[f"for {best}"]
    assert told == "no change is needed: the agent prefers it in the scene as it is"
    page = text_of(found, tmp_path)["why-not"]
    assert f"No change is needed: the agent prefers {best} in the scene as it is" in page
    assert values_of(found)["why_not"]["needed"] is False
