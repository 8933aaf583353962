"""Schedules of a run: learning rate, entropy bonus and the teacher's weight, all linear."""

from dataclasses import replace

import pytest

from policyscope.training.log import read_curve
from policyscope.training.ppo.config import PRESETS
from policyscope.training.ppo.learner import Learner, Moment
from policyscope.training.ppo.train import train
from policyscope.training.settings import configure

TINY = ["widths=[4,4,4]", "lanes=4", "horizon=16", "minibatches=2", "epochs=1", "microbatch=24"]
FALLING = [*TINY, "lr=0.004", "lr_final=0.001", "entropy=0.08", "entropy_final=0.02"]


def told(run):
    return [row for row in read_curve(run / "curve.jsonl") if "loss" in row]


def entropy_bonuses(rows):
    """What the loss holds beside its other parts, for each unit of entropy."""
    value = configure(PRESETS, "procgen", TINY).value_coef
    return [(r["policy"] + value * r["value"] - r["loss"]) / r["entropy"] for r in rows]


def falls(found, first, last):
    """Whether four iterations fall linearly, the end of the run still ahead."""
    expected = [first + k / 4 * (last - first) for k in range(4)]
    return found == pytest.approx(expected, rel=1e-3)


def test_learning_rate_and_entropy_bonus_fall_linearly_over_the_run(tmp_path, plan):
    train(plan(tmp_path / "run", "procgen", FALLING))
    rows = told(tmp_path / "run")
    assert falls([row["lr"] for row in rows], 0.004, 0.001)
    assert falls(entropy_bonuses(rows), 0.08, 0.02)


def test_a_schedule_that_stands_still_would_be_noticed(tmp_path, plan, monkeypatch):
    update = Learner.update

    def at_the_beginning(self, rollout, moment):
        return update(self, rollout, replace(moment, fraction=0.0))

    monkeypatch.setattr(Learner, "update", at_the_beginning)
    train(plan(tmp_path / "run", "procgen", FALLING))
    rows = told(tmp_path / "run")
    assert not falls([row["lr"] for row in rows], 0.004, 0.001)
    assert not falls(entropy_bonuses(rows), 0.08, 0.02)


def test_the_optimiser_steps_with_the_rate_that_is_told(parts):
    learner, actor = parts("procgen", FALLING)
    for fraction in (0.0, 0.5, 1.0):
        rollout = actor.collect(learner.agent, 16)
        rate = learner.update(rollout, Moment(0, fraction, 1.0))["lr"]
        assert {group["lr"] for group in learner.optimizer.param_groups} == {rate}
