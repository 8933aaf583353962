"""The doctor finds nothing in a sound agent and names the mistake of each wrong one."""

import json

import pytest
import torch

from policyscope.agents.contract import CHECKS
from policyscope.agents.doctor.battery import TITLES
from policyscope.agents.doctor.examine import examine
from policyscope.agents.doctor.flow import gradient_flow
from policyscope.agents.doctor.observations import observe
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec


def verdicts(report):
    return {finding.name: finding.verdict for finding in report.findings}


@pytest.mark.parametrize("name", ["Plain", "Remembers"])
def test_a_sound_agent_has_no_failure(planted, name):
    report = examine(planted(name), 40)
    assert report.passed
    found = verdicts(report)
    assert found["determinism"] == found["gradients"] == found["observations"] == "passed"
    expected = "passed" if name == "Remembers" else "not measured"
    assert found["memory reset"] == found["fresh memory"] == expected
    assert found["parity"] == "not measured"
    assert report.observed.rows == 40
    assert [s.name for s in report.sites][:2] == [
        "preprocess",
        "hidden" if name == "Plain" else "cell",
    ]


MUTANTS = [
    ("Dropout", "determinism", "another decision"),
    ("KeepsMemory", "fresh memory", "initial memory changes"),
    ("NeverForgets.Remembers", "act = unroll", "unrolling differs"),
    ("NeverForgets.Remembers", "memory reset", "reaches into the next"),
    ("Truncates.Plain", "gradient of unroll", "is not that of the loop"),
    ("Centred", "batch independence", "depends on the rows beside it"),
    ("Unsaved", "save and load", "decides otherwise"),
    ("Breaks", "sites", "RuntimeError"),
    ("Detached", "gradients", "CUT from the outputs: preprocess, hidden, relu"),
    ("Deaf", "gradients", "zero on these: preprocess"),
]


@pytest.mark.parametrize(("name", "finding", "said"), MUTANTS)
def test_a_wrong_agent_fails_where_it_is_wrong(planted, name, finding, said):
    report = examine(planted(name), 32)
    assert not report.passed
    (found,) = [f for f in report.findings if f.name == finding]
    assert found.verdict == "FAILED"
    assert said in found.told


def test_every_check_of_the_contract_has_a_title_and_a_wrong_variant():
    assert set(TITLES) == set(CHECKS)
    assert {title for title, _ in TITLES.values()} <= {finding for _, finding, _ in MUTANTS}


def test_hidden_calls_are_noted_and_do_not_fail(planted):
    report = examine(planted("Functional"), 32)
    assert report.passed
    assert verdicts(report)["hidden operations"] == "noted"
    assert [call.call for call in report.hidden] == ["relu"]


def test_the_report_is_json(planted):
    values = json.loads(json.dumps(examine(planted("Residual"), 32).to_json(), allow_nan=False))
    assert values["passed"] is True
    assert values["observations"] == {
        "n": 32, "source": "gym:CartPole-v1, random actions, seeds from 0", "real": True,
    }  # fmt: skip
    assert values["hidden"][0]["kind"] == "sum of activations"
    assert values["sites"][1] == {"name": "hidden", "kind": "Linear", "shape": [8]}


ORIGINAL = """
import torch
def original(obs):
    return {{"q": torch.zeros(len(obs), 2).double() + {add}}}
"""


def test_a_function_in_a_file_is_the_original(planted, tmp_path):
    agent, path = planted("Plain"), tmp_path / "mine.py"
    for value in agent.net.parameters():
        torch.nn.init.zeros_(value)
    for add, verdict in ((0, "passed"), (1e-3, "FAILED")):
        path.write_text(ORIGINAL.format(add=add))
        report = examine(agent, 32, original=path)
        assert verdicts(report)["parity"] == verdict
        assert "original of mine.py" in report.findings[1].told
    assert report.findings[1].check.n == 32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "defines no function original"),
        ("1 / 0", "cannot be imported: division"),
        (None, "no such"),
    ],
)
def test_a_file_without_an_original_is_one_clear_line(planted, tmp_path, text, said):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadFile, match=said):
        examine(planted("Plain"), 32, original=path)


def test_observations_are_real_seeded_and_of_several_episodes(planted):
    agent = planted("Plain")
    one, again, other = (observe(agent, 240, seed).obs for seed in (0, 0, 5))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert one.shape == (30, 8, 4)
    starts = (one[1:] - one[:-1])[..., 2].abs().amax(0) > 0.1  # the pole stands upright again
    assert starts.any()
    assert (one[1:] != one[:-1]).any(-1).all()


def test_drawn_observations_are_told_apart(planted):
    drawn = observe(planted("Plain", env=None), 32)
    assert not drawn.real
    assert drawn.misfit is None
    assert "names no environment" in drawn.source
    assert drawn.obs.std() > 0.5
    report = examine(planted("Plain", env="gym:NoSuchThing-v0"), 32)
    assert verdicts(report)["observations"] == "noted"
    assert "cannot be made" in report.findings[0].told


def test_another_environment_than_the_agents_fails(planted):
    report = examine(planted("Plain", env="gym:Pendulum-v1"), 32)
    assert verdicts(report)["observations"] == "FAILED"
    assert "was made for obs shape (4,)" in report.findings[0].told


def test_continuous_actions_are_drawn_within_their_bounds(planted):
    from policyscope.agents.doctor.observations import _walk
    from policyscope.envs.make import make

    stepper = make(EnvSpec("gym:Pendulum-v1"), 8)
    assert _walk(stepper, 5, 0).shape == (5, 8, 3)
    stepper.close()


def test_too_few_rows_and_a_wrong_seed_are_refused(planted):
    with pytest.raises(PolicyscopeError, match="at least 32"):
        examine(planted("Plain"), 8)
    with pytest.raises(PolicyscopeError, match="--seed"):
        examine(planted("Plain"), 32, -1)


def test_gradients_tell_what_they_reach(planted):
    flow = gradient_flow(planted("Plain"), torch.randn(3, 5, 4))
    assert flow.holds
    assert (flow.reached, flow.rows) == (
        ("preprocess", "hidden", "relu", "middle", "tanh", "out"),
        5,
    )
    cut = gradient_flow(planted("Detached"), torch.randn(3, 5, 4))
    assert cut.cut == ("preprocess", "hidden", "relu")
    assert cut.reached == ("middle", "tanh", "out")
