"""Runs of PPO: what is kept, what a resume gives, what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from policyscope.agents.fit import fingerprint
from policyscope.agents.store import checkpoints, load_agent, load_weights
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.envs.make import parse_env
from policyscope.training.checkpoint import load_state
from policyscope.training.log import read_curve
from policyscope.training.ppo import train as ppo
from policyscope.training.ppo.actor import Actor
from policyscope.training.ppo.learner import Moment
from policyscope.training.ppo.train import train
from policyscope.training.starts import Starts, make_starts
from policyscope.training.watched import Watching

TINY = ["widths=[4,4,4]", "lanes=4", "horizon=16", "minibatches=2", "epochs=2", "microbatch=24"]


def same_weights(a: Path, b: Path) -> bool:
    one, two = (load_weights(p / "weights.safetensors") for p in (a, b))
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def curve(run: Path) -> list[dict]:
    return [{k: v for k, v in r.items() if k != "seconds"} for r in read_curve(run / "curve.jsonl")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, plan) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(plan(out))
    return out


def test_a_run_is_a_loadable_agent_with_initial_weights_and_checkpoints(whole):
    agent = load_agent(whole)
    assert agent.recurrent
    assert agent.acting == "sample"
    assert agent.card["algorithm"] == "ppo"
    assert agent.card["config"]["widths"] == [4, 4, 4]
    assert checkpoints(whole) == ["checkpoints/step_0000128", "checkpoints/step_0000256"]
    assert any(not torch.equal(agent.initial[k], v) for k, v in agent.net.state_dict().items())
    assert json.loads((whole / "run.json").read_text())["levels"] == [0, 50]
    terms = [r for r in read_curve(whole / "curve.jsonl") if "loss" in r]
    assert [r["step"] for r in terms] == [64, 128, 192, 256]


def test_a_run_begins_with_the_weights_of_another(whole, tmp_path, plan):
    still = [*TINY, "lr=0", "lr_final=0"]
    given = {"start": str(whole), "start_weights": "checkpoints/step_0000128", "settings": still}
    agent = train(plan(tmp_path / "on", **given))
    before = load_weights(whole / "checkpoints/step_0000128.safetensors")
    assert all(torch.equal(before[k], v) for k, v in agent.net.state_dict().items())
    first = load_agent(whole).initial
    assert all(torch.equal(first[k], v) for k, v in load_agent(tmp_path / "on").initial.items())
    told = load_agent(tmp_path / "on").card["start"]
    assert told["file"] == "checkpoints/step_0000128"
    assert told["card"]["config"]["widths"] == [4, 4, 4]
    assert (told["card"]["steps"], load_agent(whole).card["steps"]) == (128, 256)
    kept = json.loads((tmp_path / "on" / "run.json").read_text())
    assert kept["start"] == told["weights"] != fingerprint(load_agent(whole))[:16]


def test_a_start_is_not_forgotten_on_resume(whole, tmp_path, plan):
    begun = plan(tmp_path / "on", start=str(whole), start_weights="initial", steps=64)
    train(begun)
    for other in (
        plan(tmp_path / "on", steps=64),
        plan(tmp_path / "on", start=str(whole), steps=64),
    ):
        with pytest.raises(BadFile, match="start is .* there"):
            train(other, resume=True)
    train(begun, resume=True)
    assert load_agent(tmp_path / "on").card["start"]["file"] == "initial"


def test_a_start_may_spell_its_arguments_otherwise(whole, tmp_path, plan):
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    values = json.loads((copy / "agent.json").read_text())
    arguments = values["network"]["arguments"]
    values["network"]["arguments"] = {"learned_start": False, **dict(reversed(arguments.items()))}
    (copy / "agent.json").write_text(json.dumps(values))
    agent = train(plan(tmp_path / "on", start=str(copy), steps=64))
    assert agent.card["start"]["weights"] == fingerprint(load_agent(copy))[:16]


def test_what_is_remembered_at_first_can_be_learned(tmp_path, plan):
    agent = train(plan(tmp_path / "run", settings=[*TINY, "learned_start=true"], steps=64))
    assert not torch.equal(agent.net.init_hx, agent.initial["init_hx"])
    assert torch.equal(agent.initial_state(2)[1], agent.net.init_hx)


def test_a_run_does_not_begin_with_another_network(whole, tmp_path, plan):
    wider = [*TINY, "widths=[4,4,8]"]
    with pytest.raises(
        PolicyscopeError, match="has another widths than this training: .4, 4, 4. against .4, 4, 8."
    ):
        train(plan(tmp_path / "on", start=str(whole), settings=wider))
    assert not (tmp_path / "on").exists()


@pytest.mark.parametrize("at", [1, 2, 4])
def test_interrupted_and_resumed_gives_the_same_weights(whole, tmp_path, monkeypatch, at, plan):
    rounds = 0
    advance = ppo.advance

    def interrupting(*given):
        nonlocal rounds
        rounds += 1
        if rounds == at:
            raise KeyboardInterrupt
        advance(*given)

    with monkeypatch.context() as patched:
        patched.setattr(ppo, "advance", interrupting)
        with pytest.raises(KeyboardInterrupt):
            train(plan(tmp_path / "run"))
    state = load_state(tmp_path / "run")
    assert load_agent(tmp_path / "run").card["steps"] == (state[1]["step"] if state else 0)
    train(plan(tmp_path / "run"), resume=True)
    assert curve(whole) == curve(tmp_path / "run")
    assert same_weights(whole, tmp_path / "run")


def test_a_run_killed_after_a_checkpoint_and_before_a_due_state_goes_on(
    whole, tmp_path, monkeypatch, plan
):
    given = plan(tmp_path / "run", save_every=10**6)
    advance = ppo.advance

    def stopping(given, learner, actor, log):
        if actor.step == 192:  # a checkpoint was due at 128
            raise KeyboardInterrupt
        advance(given, learner, actor, log)

    with monkeypatch.context() as patched:
        patched.setattr(ppo, "advance", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(given)
    assert checkpoints(tmp_path / "run") == ["checkpoints/step_0000128"]
    train(given, resume=True)
    assert same_weights(whole, tmp_path / "run")


def looks(run: Path) -> list[dict]:
    return [row for row in curve(run) if "watched_return" in row]


@pytest.mark.timeout(180)  # 18 s each under a load of 17
@pytest.mark.parametrize("at", [2, 4])
def test_held_out_episodes_are_looked_at_once_however_often_a_run_is_stopped(
    whole, tmp_path, monkeypatch, at, plan
):
    """No state is due before the end: what keeps the looks is that each one saves the run."""
    given = plan(tmp_path / "run", save_every=10**6, checkpoints=0, watching=Watching(60, 1))
    advance, real, made, rounds = ppo.advance, ppo.watch, [], 0

    def stopping(*given):
        nonlocal rounds
        rounds += 1
        if rounds == at:
            raise KeyboardInterrupt
        advance(*given)

    def watching(*given):
        made.append(given)
        return real(*given)

    monkeypatch.setattr(ppo, "watch", watching)
    with monkeypatch.context() as patched:
        patched.setattr(ppo, "advance", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(given)
    before = looks(tmp_path / "run")
    assert [row["step"] for row in before] == [64 * k for k in range(1, at)]
    train(given, resume=True)
    after = looks(tmp_path / "run")
    assert after[: len(before)] == before
    assert [row["step"] for row in after] == [64, 128, 192, 256]
    assert len(made) == 4
    assert same_weights(whole, tmp_path / "run"), "looking changes nothing"


def test_a_resume_that_forgets_the_memory_is_caught(whole, tmp_path, monkeypatch, plan):
    advance, restore = ppo.advance, Actor.restore

    def stopping(given, learner, actor, log):
        if actor.step == 128:
            raise KeyboardInterrupt
        advance(given, learner, actor, log)

    def forgetful(self, arrays, values, agent):
        restore(self, arrays, values, agent)
        self.memory = agent.initial_state(self.stepper.lanes)

    with monkeypatch.context() as patched:
        patched.setattr(ppo, "advance", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(plan(tmp_path / "run"))
    monkeypatch.setattr(Actor, "restore", forgetful)
    train(plan(tmp_path / "run"), resume=True)
    assert not same_weights(whole, tmp_path / "run")


def test_levels_kept_for_evaluation_are_never_trained_on():
    coinrun, pole = parse_env("procgen/coinrun"), parse_env("gym:CartPole-v1")
    assert make_starts(coinrun, 0, None).levels == (0, 200_000)
    for levels in ((199_990, 200_001), (205_000, 300_000), (0, 10**6), (215_000, 216_000)):
        with pytest.raises(PolicyscopeError, match="kept for evaluation"):
            make_starts(coinrun, 0, levels)
    with pytest.raises(PolicyscopeError, match="A < B"):
        make_starts(coinrun, 0, (5, 5))
    with pytest.raises(PolicyscopeError, match="no levels"):
        make_starts(pole, 0, (0, 5))
    starts = Starts(4, (10, 20))
    drawn = [starts.training(i).level for i in range(300)]
    assert set(drawn) == set(range(10, 20))
    assert drawn == [starts.training(i).level for i in range(300)]
    assert {starts.watched(i).level for i in range(5)} == set(range(210_000, 210_005))
    seeded = Starts(4)
    learned = {seeded.training(i).seed for i in range(100)}
    assert not learned & {seeded.watched(i).seed for i in range(100)}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (["minibatches=7"], PolicyscopeError, "must divide"),
        (["network=nature_q"], PolicyscopeError, "no policy and value"),
        (["network=impala_gru", "lanes=2", "minibatches=4"], PolicyscopeError, "whole lanes"),
        (["lr=NaN"], PolicyscopeError, "must be a number"),
        (["clip=Infinity"], PolicyscopeError, "must be a number"),
        (["precision=half"], UnknownName, "float32"),
        (["layout=nhwc"], UnknownName, "channels_last"),
        (["widths=[1.5]"], PolicyscopeError, "whole numbers"),
        (["gamma=2"], PolicyscopeError, "between 0 and 1"),
        (["network=actor_critic"], PolicyscopeError, "does not take observations"),
        (["widths=[4]", "network=clear_cnn"], PolicyscopeError, "5 convolutions"),
        (["learned_start=true", "network=impala"], PolicyscopeError, "learns no start"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(tmp_path, settings, error, message, plan):
    with pytest.raises(error, match=message) as caught:
        train(plan(tmp_path / "run", "procgen", settings))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_only_as_it_was_begun(whole, tmp_path, plan):
    with pytest.raises(BadFile, match="holds a run already"):
        train(plan(whole))
    with pytest.raises(BadFile, match=r"levels is \[0, 50\] there, \[0, 60\] was asked for \("):
        train(plan(whole, levels=(0, 60)), resume=True)
    changed = replace(plan(whole), config=replace(plan(whole).config, lr=0.001), seed=4)
    with pytest.raises(BadFile) as caught:
        train(changed, resume=True)
    assert str(caught.value) == (
        f"{whole}: was started otherwise: config.lr is 0.0005 there, 0.001 was asked for; "
        "seed is 3 there, 4 was asked for (give what it was started with, or another --out)"
    )
    with pytest.raises(BadFile, match='env.options.mode is "easy" there, none was asked for'):
        train(plan(whole, env=parse_env("procgen/coinrun", [])), resume=True)
    with pytest.raises(BadFile, match="no run to resume"):
        train(plan(tmp_path / "typo"), resume=True)
    assert not (tmp_path / "typo").exists()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch, parts):
    learner, actor = parts("procgen", [*TINY, "network=impala"])
    rollout = actor.collect(learner.agent, 16)
    before = {k: v.clone() for k, v in learner.net.state_dict().items()}
    broken = replace(rollout, reward=rollout.reward + np.nan)
    with pytest.raises(PolicyscopeError, match="not finite"):
        learner.update(broken, Moment(0, 0, 1))
    assert all(torch.equal(before[k], v) for k, v in learner.net.state_dict().items())
