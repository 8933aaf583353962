"""Runs of PPO: what a rollout holds, what a resume gives, what is learned."""

import json
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from policyscope.agents.store import checkpoints, load_agent, load_weights, save_agent
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.envs.make import make, parse_env
from policyscope.training.log import read_curve
from policyscope.training.ppo import train as ppo
from policyscope.training.ppo.actor import Actor
from policyscope.training.ppo.config import PRESETS
from policyscope.training.ppo.kickstart import load_teacher
from policyscope.training.ppo.learner import Learner, Moment
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.precision import Compute, computed
from policyscope.training.ppo.train import Plan, train
from policyscope.training.settings import configure
from policyscope.training.starts import Starts, make_starts
from policyscope.training.watched import Watching

TINY = ["widths=[4,4,4]", "lanes=4", "horizon=16", "minibatches=2", "epochs=2", "microbatch=24"]
LEVELS = (0, 50)


class Recall(gym.Env):
    """A cue is shown at the first step and asked for at the fifth: memory alone can tell."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cue, self.time = int(self.np_random.integers(2)), 0
        return np.array([2 * self.cue - 1, 0], np.float32), {}

    def step(self, action):
        self.time += 1
        asked = self.time == 4
        right = float(action == self.cue) if self.time == 5 else 0.0
        return np.array([0, asked], np.float32), right, self.time == 5, False, {}


gym.register("PolicyscopeRecall-v0", Recall)


def plan(out: Path, preset="procgen-recurrent", settings=TINY, **changes) -> Plan:
    values = {
        "env": parse_env("procgen/coinrun", ["mode=easy"]),
        "config": configure(PRESETS, preset, settings),
        "steps": 256,
        "seed": 3,
        "out": out,
        "levels": LEVELS,
        "checkpoints": 2,
        "save_every": 100,
        **changes,
    }
    return Plan(**values)


def parts(preset: str, settings, env="procgen/coinrun", options=("mode=easy",), teacher=None):
    """Agent, learner and actor as a run makes them."""
    config, spec = configure(PRESETS, preset, [*settings]), parse_env(env, [*options])
    stepper = make(spec, config.lanes)
    agent = fresh_agent(stepper.space, spec, config, seed=0)
    starts = make_starts(spec, 0, LEVELS if env.startswith("procgen") else None)
    return Learner(agent, config, 0, teacher), Actor.begin(stepper, starts, config.gamma)


def same_weights(a: Path, b: Path) -> bool:
    one, two = (load_weights(p / "weights.safetensors") for p in (a, b))
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def curve(run: Path) -> list[dict]:
    return [{k: v for k, v in r.items() if k != "seconds"} for r in read_curve(run / "curve.jsonl")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
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


@pytest.mark.parametrize("at", [1, 2, 4])
def test_interrupted_and_resumed_gives_the_same_weights(whole, tmp_path, monkeypatch, at):
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
    train(plan(tmp_path / "run"), resume=True)
    assert curve(whole) == curve(tmp_path / "run")
    assert same_weights(whole, tmp_path / "run")


def test_a_run_killed_after_a_checkpoint_and_before_its_first_due_state_goes_on(
    whole, tmp_path, monkeypatch
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


def test_a_resume_that_forgets_the_memory_is_caught(whole, tmp_path, monkeypatch):
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


STILL = ["lr=0.0", "lr_final=0.0", "epochs=1"]
NETWORKS = [
    ("procgen", ["network=impala"]),
    ("procgen", ["network=clear_cnn", "widths=[4,4,4,4,4]"]),
    ("procgen-recurrent", []),
    ("procgen-recurrent", ["precision=float32", "layout=contiguous"]),
]


def shifts(learner: Learner, actor: Actor) -> list[float]:
    """How far the policy seems to have moved in rollouts after which nothing is changed."""
    for weights in learner.net.parameters():  # away from the uniform policy of first weights
        weights.data.mul_(3 if weights.dim() == 2 else 1)
    return [
        learner.update(actor.collect(learner.agent, learner.config.horizon), Moment(0, 0, 1))["kl"]
        for _ in range(3)
    ]


@pytest.mark.parametrize(("preset", "settings"), NETWORKS)
def test_the_policy_that_learns_is_the_one_that_acted(preset, settings):
    learner, actor = parts(preset, [*TINY, *settings, *STILL])
    assert max(shifts(learner, actor)) < 1e-6


def test_a_memory_that_is_not_the_one_acted_with_is_caught(monkeypatch):
    """The wrong variant: every rollout is learned from as if memory were empty before it."""
    learner, actor = parts("procgen-recurrent", [*TINY, *STILL])
    collect = actor.collect

    def emptied(agent, horizon):
        rollout = collect(agent, horizon)
        return replace(rollout, state=torch.zeros_like(rollout.state))

    monkeypatch.setattr(actor, "collect", emptied)
    assert max(shifts(learner, actor)[1:]) > 1e-6


def test_nothing_is_expected_beyond_an_end_and_no_next_level_is_looked_at():
    """Where a time limit cuts, the last observation seen is asked; else nothing."""
    settings = [*TINY, "horizon=1100", "lanes=2", "minibatches=1", "precision=float32"]
    learner, actor = parts("procgen", [*settings, "network=impala"], "procgen/maze")
    rollout = actor.collect(learner.agent, 1100)
    lengths = {r["length"]: r["outcome"] for r in actor.finished}
    assert "timed_out" in lengths.values()
    cut = 0
    ends = [(t, lane) for t, lane in np.argwhere(rollout.over)]
    for t, lane in ends:
        if rollout.reward[t, lane] > 0:
            assert rollout.next_value[t, lane] == 0.0
        else:
            cut += 1
            with torch.no_grad():
                seen = torch.from_numpy(rollout.obs[t, lane][None])
                want = learner.agent.forward(seen, None)[0]["value"].item()
            assert rollout.next_value[t, lane] == pytest.approx(want, abs=1e-5)
    assert cut
    t, lane = next((t, b) for t, b in np.ndindex(1099, 2) if not rollout.over[t, b])
    assert rollout.next_value[t, lane] == rollout.value[t + 1, lane]
    begins = np.argwhere(rollout.first[1:]).tolist()
    assert begins == np.argwhere(rollout.over[:-1]).tolist()


class Bound(gym.Env):
    """Ends by the rules at the very step at which the time limit cuts."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.ones(2, np.float32), {}

    def step(self, action):
        self.time += 1
        return np.ones(2, np.float32), 1.0, self.time == 3, self.time == 3, {}


gym.register("PolicyscopeBound-v0", Bound)


def test_nothing_is_expected_beyond_an_end_by_the_rules_that_the_limit_cuts_too():
    settings = ["lanes=2", "horizon=9", "minibatches=2"]
    learner, actor = parts("classic", settings, "gym:PolicyscopeBound-v0", ())
    rollout = actor.collect(learner.agent, 9)
    assert rollout.over.sum() == 6
    assert not rollout.next_value[rollout.over].any()
    assert rollout.next_value[~rollout.over].all()


def test_heads_tell_values_apart_in_full_precision():
    """The wrong variant (heads in bfloat16) knows sixteenths only between 8 and 16."""
    config = configure(PRESETS, "procgen", TINY)
    spec = parse_env("procgen/coinrun")
    agent = fresh_agent(make(spec).space, spec, config, seed=1)
    agent.net.fc_value.bias.data.fill_(9.0)
    obs = torch.randint(256, (64, 64, 64, 3), dtype=torch.uint8)
    values = computed(agent, config).forward(obs, None)[0]["value"]
    assert len(values.unique()) > 40
    with torch.autocast("cpu", torch.bfloat16):
        embedded = agent.net.embedder(agent.preprocess(obs))
        head = agent.net.fc_value
        coarse = torch.nn.functional.linear(embedded, head.weight, head.bias)
    assert len(coarse.unique()) < 20


def final(run: Path, episodes: int) -> float:
    returns = [r["return"] for r in read_curve(run / "curve.jsonl") if "return" in r]
    return float(np.mean(returns[-episodes:]))


def test_learns_to_balance_a_pole(tmp_path):
    given = plan(
        tmp_path / "run", "classic", [], env=parse_env("gym:CartPole-v1"), steps=16_000,
        levels=None, save_every=10**6, watching=Watching(10**6, 10),
    )  # fmt: skip
    train(given)
    assert final(tmp_path / "run", 20) > 100  # a random policy holds it for 22 steps
    looked = [r for r in read_curve(tmp_path / "run/curve.jsonl") if "watched_return" in r]
    assert looked[-1]["watched"] == 10
    assert looked[-1]["watched_low"] <= looked[-1]["watched_return"] <= looked[-1]["watched_high"]


RECALL = ["lanes=32", "horizon=20", "epochs=4", "minibatches=4", "lr=0.003", "widths=[16]"]


@pytest.mark.parametrize(
    ("network", "least", "most"), [("actor_critic_lstm", 0.95, 1.0), ("actor_critic", 0.3, 0.7)]
)
def test_memory_is_learned_through_time(tmp_path, network, least, most):
    """Without memory a coin is tossed; gradients must go back four steps to do better."""
    memory = ["memory=16"] if network.endswith("lstm") else []
    given = plan(
        tmp_path / "run", "classic", [*RECALL, f"network={network}", *memory], steps=18_000,
        env=parse_env("gym:PolicyscopeRecall-v0"), levels=None, save_every=10**6,
    )  # fmt: skip
    train(given)
    assert least <= final(tmp_path / "run", 300) <= most


def test_continuous_actions_are_learned_as_drawn_and_executed_within_bounds(tmp_path):
    env = parse_env("gym:Pendulum-v1")
    given = plan(tmp_path / "run", "classic", ["lanes=4"], env=env, steps=600, levels=None)
    agent = train(given)
    assert agent.head == "gaussian"
    learner, actor = parts("classic", ["lanes=4", *STILL], "gym:Pendulum-v1", ())
    learner.net.log_std.data.fill_(2.0)
    rollout = actor.collect(learner.agent, 128)
    assert rollout.action.abs().max() > 2  # the bound of the torque
    assert learner.update(rollout, Moment(0, 0, 1))["kl"] < 1e-6


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    """An agent that knows two actions."""
    folder = tmp_path_factory.mktemp("agents") / "teacher"
    spec = parse_env("procgen/coinrun", ["mode=easy"])
    agent = fresh_agent(make(spec).space, spec, configure(PRESETS, "procgen", TINY), seed=9)
    with torch.no_grad():
        agent.net.fc_policy.bias[:] = -4.0
        agent.net.fc_policy.bias[[7, 8]] = 2.0
        agent.net.fc_value.bias[:] = 5.0
    save_agent(agent, folder)
    return folder


def test_a_student_takes_after_its_teacher_and_then_is_let_go(teacher, tmp_path):
    settings = [*TINY, "teacher_steps=512", "lr=0.05", "lanes=8", "teacher_weight=2.0"]
    train(plan(tmp_path / "run", settings=settings, teacher=str(teacher), steps=1024))
    terms = [r for r in read_curve(tmp_path / "run/curve.jsonl") if "loss" in r]
    taught = [r["teacher"] for r in terms if "teacher" in r]
    assert [r["step"] for r in terms if "teacher" in r] == [128, 256, 384, 512]
    assert taught[-1] < taught[0] - 0.5
    card = load_agent(tmp_path / "run").card
    assert card["teacher"]["until_step"] == 512


def test_a_teacher_that_is_never_listened_to_or_does_not_fit_is_refused(teacher, tmp_path, whole):
    config = configure(PRESETS, "procgen", TINY)
    space = make(parse_env("procgen/coinrun")).space
    with pytest.raises(PolicyscopeError, match="teacher_steps=N"):
        load_teacher(teacher, space, config)
    listening = replace(config, teacher_steps=100)
    with pytest.raises(PolicyscopeError, match="no memory"):
        load_teacher(whole, space, listening)
    pole = make(parse_env("gym:CartPole-v1")).space
    with pytest.raises(PolicyscopeError, match="made for"):
        load_teacher(teacher, pole, listening)
    half = load_teacher(teacher, space, listening).weight_at(50)
    assert half == pytest.approx(listening.teacher_weight / 2)
    assert load_teacher(teacher, space, listening).weight_at(100) == 0.0


def test_a_value_in_other_units_is_not_imitated(teacher, tmp_path):
    """A teacher of another lineage was trained on normalised rewards."""
    config = configure(PRESETS, "procgen", [*TINY, "teacher_steps=100"])
    space = make(parse_env("procgen/coinrun")).space
    obs = np.zeros((2, 64, 64, 3), np.uint8)
    unknown = load_teacher(teacher, space, config).outputs(obs, 2)
    assert set(unknown) == {"logits"}
    agent = load_agent(teacher)
    agent.card = {"algorithm": "ppo"}
    save_agent(agent, tmp_path / "ours")
    ours = load_teacher(tmp_path / "ours", space, config).outputs(obs, 2)
    assert set(ours) == {"logits", "value"}


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


@pytest.mark.parametrize("name", ["procgen", "procgen-recurrent"])
def test_another_precision_and_layout_is_the_same_network(name):
    plain = configure(PRESETS, name, [*TINY, "precision=float32", "layout=contiguous"])
    spec = parse_env("procgen/coinrun")
    space = make(spec).space
    obs = torch.randint(256, (50, 64, 64, 3), dtype=torch.uint8)
    agent = fresh_agent(space, spec, plain, seed=1)
    want = agent.forward(obs, None)[0]
    for precision, layout, bound in [
        ("float32", "contiguous", 1e-5), ("float32", "channels_last", 1e-5),
        ("bfloat16", "channels_last", 5e-2),
    ]:  # fmt: skip
        config = replace(plain, precision=precision, layout=layout)
        other = fresh_agent(space, spec, config, seed=1)
        got = replace(other, net=Compute(other.net, config)).forward(obs, None)[0]
        assert all(v.dtype == torch.float32 for v in got.values())
        worst = max((got[k] - want[k]).abs().max().item() for k in want)
        assert worst <= bound * want["value"].abs().max().item()


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
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(tmp_path, settings, error, message):
    with pytest.raises(error, match=message) as caught:
        train(plan(tmp_path / "run", "procgen", settings))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_only_as_it_was_begun(whole, tmp_path):
    with pytest.raises(BadFile, match="holds a run already"):
        train(plan(whole))
    with pytest.raises(BadFile, match="another levels"):
        train(plan(whole, levels=(0, 60)), resume=True)
    with pytest.raises(BadFile, match="no run to resume"):
        train(plan(tmp_path / "typo"), resume=True)
    assert not (tmp_path / "typo").exists()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch):
    learner, actor = parts("procgen", [*TINY, "network=impala"])
    rollout = actor.collect(learner.agent, 16)
    before = {k: v.clone() for k, v in learner.net.state_dict().items()}
    broken = replace(rollout, reward=rollout.reward + np.nan)
    with pytest.raises(PolicyscopeError, match="not finite"):
        learner.update(broken, Moment(0, 0, 1))
    assert all(torch.equal(before[k], v) for k, v in learner.net.state_dict().items())
