"""What is learned: balance, memory, continuous actions, a teacher's ways."""

from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from policyscope.agents.store import load_agent, save_agent
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import make, parse_env
from policyscope.training.log import read_curve
from policyscope.training.ppo.config import PRESETS
from policyscope.training.ppo.kickstart import load_teacher
from policyscope.training.ppo.learner import Moment
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.train import train
from policyscope.training.settings import configure
from policyscope.training.watched import Watching

TINY = ["widths=[4,4,4]", "lanes=4", "horizon=16", "minibatches=2", "epochs=2", "microbatch=24"]
STILL = ["lr=0.0", "lr_final=0.0", "epochs=1"]


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


def final(run: Path, episodes: int) -> float:
    returns = [r["return"] for r in read_curve(run / "curve.jsonl") if "return" in r]
    return float(np.mean(returns[-episodes:]))


def test_learns_to_balance_a_pole(tmp_path, plan):
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
@pytest.mark.timeout(240)
def test_memory_is_learned_through_time(tmp_path, network, least, most, plan):
    """Without memory a coin is tossed; gradients must go back four steps to do better."""
    memory = ["memory=16"] if network.endswith("lstm") else []
    given = plan(
        tmp_path / "run", "classic", [*RECALL, f"network={network}", *memory], steps=18_000,
        env=parse_env("gym:PolicyscopeRecall-v0"), levels=None, save_every=10**6,
    )  # fmt: skip
    train(given)
    assert least <= final(tmp_path / "run", 300) <= most


def test_continuous_actions_are_learned_as_drawn_and_executed_within_bounds(tmp_path, plan, parts):
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


def test_a_student_takes_after_its_teacher_and_then_is_let_go(teacher, tmp_path, plan):
    settings = [*TINY, "teacher_steps=512", "lr=0.05", "lanes=8", "teacher_weight=2.0"]
    train(plan(tmp_path / "run", settings=settings, teacher=str(teacher), steps=1024))
    terms = [r for r in read_curve(tmp_path / "run/curve.jsonl") if "loss" in r]
    taught = [r["teacher"] for r in terms if "teacher" in r]
    assert [r["step"] for r in terms if "teacher" in r] == [128, 256, 384, 512]
    assert taught[-1] < taught[0] - 0.5
    card = load_agent(tmp_path / "run").card
    assert card["teacher"]["until_step"] == 512


def test_a_teacher_that_is_never_listened_to_or_does_not_fit_is_refused(teacher, tmp_path):
    config = configure(PRESETS, "procgen", TINY)
    space = make(parse_env("procgen/coinrun")).space
    with pytest.raises(PolicyscopeError, match="teacher_steps=N"):
        load_teacher(teacher, space, config)
    listening = replace(config, teacher_steps=100)
    swings = parse_env("gym:Pendulum-v1")
    drawn = configure(PRESETS, "classic", [])
    save_agent(fresh_agent(make(swings).space, swings, drawn, 0), tmp_path / "drawn")
    with pytest.raises(PolicyscopeError, match="a policy over discrete actions"):
        load_teacher(tmp_path / "drawn", space, listening)
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
    rows = np.zeros((1, 2, 64, 64, 3), np.uint8), np.ones((1, 2), bool), 2
    unknown = load_teacher(teacher, space, config).follow(*rows)
    assert set(unknown) == {"logits"}
    agent = load_agent(teacher)
    agent.card = {"algorithm": "ppo"}
    save_agent(agent, tmp_path / "ours")
    ours = load_teacher(tmp_path / "ours", space, config).follow(*rows)
    assert set(ours) == {"logits", "value"}
