"""A teacher with memory: it remembers along the student's own way, through ends and resumes."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from policyscope.agents import agent as agents
from policyscope.agents.store import load_agent, load_weights, save_agent
from policyscope.envs.make import make, parse_env
from policyscope.training.log import read_curve
from policyscope.training.ppo import train as ppo
from policyscope.training.ppo.config import PRESETS
from policyscope.training.ppo.kickstart import Teacher, load_teacher
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.train import train
from policyscope.training.settings import configure

FLAT = ("gym:PolicyscopeNoise-v0", "classic", ["network=actor_critic_lstm", "memory=4"])
IMAGES = ("procgen/coinrun", "procgen-recurrent", ["widths=[4,4,4]", "layout=contiguous"])
LISTENING = ["teacher_steps=512", "lanes=4", "horizon=16", "minibatches=2", "precision=float32"]


class Noise(gym.Env):
    """Shows random numbers for three to twelve steps: most ends lie within a stretch of 16."""

    observation_space = gym.spaces.Box(-9.0, 9.0, (3,), np.float32)
    action_space = gym.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(3, 13))
        return self.seen(), {}

    def step(self, action):
        self.left -= 1
        return self.seen(), float(action == 1), self.left == 0, False, {}

    def seen(self):
        return self.np_random.normal(0, 2, 3).astype(np.float32)


gym.register("PolicyscopeNoise-v0", Noise)


def saved_teacher(folder: Path, env: str, preset: str, settings) -> tuple[Path, object]:
    """An agent whose decisions hang on what it remembers, and its configuration."""
    spec, config = parse_env(env), configure(PRESETS, preset, [*LISTENING, *settings])
    stepper = make(spec)
    agent = fresh_agent(stepper.space, spec, config, seed=9)
    stepper.close()
    with torch.no_grad():
        for name, weights in agent.net.named_parameters():
            weights.mul_(100 if "action_net" in name or "fc_policy" in name else 3)
    agent.card = {"algorithm": "ppo"}
    save_agent(agent, folder)
    return folder, config


def stretches(space, count=3, steps=11, lanes=4):
    """Observations one after the other, and where episodes begin."""
    draws = np.random.default_rng(0)
    shape = (count, steps, lanes, *space.obs_shape)
    obs = draws.integers(0, 256, shape) if len(space.obs_shape) == 3 else draws.normal(0, 2, shape)
    first = draws.random((count, steps, lanes)) < 0.1
    first[0, 0] = True
    first[2, 0, 1] = True  # an episode that begins with a stretch
    return obs.astype(space.obs_dtype), first


def acted(teacher: Teacher, obs, first) -> np.ndarray:
    """The oracle: each lane alone acts step by step and forgets where an episode begins."""
    told = np.zeros((*first.shape, len(teacher.agent.space.actions)))
    for lane in range(first.shape[-1]):
        state = None
        for part, t in np.ndindex(first.shape[:2]):
            begins = first[part, t, lane]
            with torch.no_grad():
                decided = teacher.agent.act(
                    obs[part, t, lane][None], None if begins else state, sample=False
                )
            told[part, t, lane], state = decided.outputs["logits"][0].numpy(), decided.state
    return told


def farthest(teacher: Teacher, obs, first, rows, before=lambda: None) -> float:
    """Largest difference of what it says along the stretches from the oracle, in policies."""
    worst = 0.0
    for said, part, begins in zip(acted(teacher, obs, first), obs, first, strict=True):
        before()
        logits = teacher.follow(part, begins, rows)["logits"]
        assert logits.shape == said.shape
        worst = max(worst, (logits.softmax(-1) - torch.tensor(said).softmax(-1)).abs().max().item())
    return worst


@pytest.mark.parametrize("made", [FLAT, IMAGES])
def test_it_says_what_it_would_have_said_acting_there_step_by_step(tmp_path, made, monkeypatch):
    folder, config = saved_teacher(tmp_path / "teacher", *made)
    stepper = make(parse_env(made[0]))
    space = stepper.space
    stepper.close()
    obs, first = stretches(space)
    for rows in (1, 12, 1000):
        assert farthest(load_teacher(folder, space, config), obs, first, rows) < 1e-4

    def emptied():
        forgetful.memory = None

    forgetful = load_teacher(folder, space, config)
    assert farthest(forgetful, obs, first, 12, emptied) > 1e-2  # empty before each stretch
    monkeypatch.setattr(agents, "begin_anew", lambda state, fresh, rows: state)
    assert farthest(load_teacher(folder, space, config), obs, first, 12) > 1e-2  # never reset


def apart(run: Path) -> float:
    """Largest divergence of the student from the teacher in an iteration, nats a row."""
    rows = [r for r in read_curve(run / "curve.jsonl") if "teacher" in r]
    assert len(rows) == 4
    return max(abs(r["teacher"] - r["entropy"]) for r in rows)


@pytest.fixture
def lesson(tmp_path, plan):
    """Makes the plan of a run with a recurrent teacher, which is a student's start if asked."""
    folder, _ = saved_teacher(tmp_path / "teacher", *FLAT)

    def make_lesson(name, student=(), **changes):
        given = {"settings": [*LISTENING, *student], "teacher": str(folder), "levels": None}
        given |= {"env": parse_env(FLAT[0]), "steps": 256, "save_every": 64}
        return plan(tmp_path / name, "classic", **given | changes)

    return make_lesson


def test_a_student_that_is_its_teacher_is_told_what_it_does(lesson, tmp_path, monkeypatch):
    """The cross-entropy under oneself is one's entropy: memories agree in every row of a run."""
    still = [*FLAT[2], "lr=0", "lr_final=0", "epochs=1"]
    itself = {"student": still, "start": str(tmp_path / "teacher")}
    train(lesson("same", **itself))
    assert apart(tmp_path / "same") < 1e-5
    follow = Teacher.follow

    def forgetful(self, *given):
        self.memory = None
        return follow(self, *given)

    monkeypatch.setattr(Teacher, "follow", forgetful)
    train(lesson("forgetful", **itself))
    assert apart(tmp_path / "forgetful") > 1e-3


def weights_of(run: Path) -> np.ndarray:
    weights = load_weights(run / "weights.safetensors")
    return np.concatenate([weights[k].numpy().ravel() for k in sorted(weights)])


@pytest.mark.parametrize("student", [["network=actor_critic"], FLAT[2]])
def test_a_resumed_lesson_ends_with_the_same_weights(lesson, tmp_path, monkeypatch, student):
    train(lesson("whole", student))
    advance = ppo.advance

    def stopping(given, learner, actor, log):
        if actor.step == 128:
            raise KeyboardInterrupt
        advance(given, learner, actor, log)

    with monkeypatch.context() as patched:
        patched.setattr(ppo, "advance", stopping)
        for name in ("resumed", "forgetful"):
            with pytest.raises(KeyboardInterrupt):
                train(lesson(name, student))
    train(lesson("resumed", student), resume=True)
    assert np.array_equal(weights_of(tmp_path / "resumed"), weights_of(tmp_path / "whole"))
    monkeypatch.setattr(Teacher, "restore", lambda self, arrays: None)
    train(lesson("forgetful", student), resume=True)
    assert not np.array_equal(weights_of(tmp_path / "forgetful"), weights_of(tmp_path / "whole"))
    assert load_agent(tmp_path / "whole").card["teacher"]["until_step"] == 512
