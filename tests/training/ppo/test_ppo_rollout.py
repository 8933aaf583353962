"""What a rollout holds, and that the policy that learns is the one that acted."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from policyscope.agents.preprocess import Pixels
from policyscope.envs.make import make, parse_env
from policyscope.training.ppo.actor import Actor
from policyscope.training.ppo.config import PRESETS
from policyscope.training.ppo.learner import Learner, Moment
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.precision import Compute, PixelsInPlace, computed
from policyscope.training.settings import configure

NETWORKS = [
    ("procgen", ["network=impala"]),
    ("procgen", ["network=clear_cnn", "widths=[4,4,4,4,4]"]),
    ("procgen-recurrent", []),
    ("procgen-recurrent", ["precision=float32", "layout=contiguous"]),
]

TINY = ["widths=[4,4,4]", "lanes=4", "horizon=16", "minibatches=2", "epochs=2", "microbatch=24"]
STILL = ["lr=0.0", "lr_final=0.0", "epochs=1"]


def shifts(learner: Learner, actor: Actor) -> list[float]:
    """How far the policy seems to have moved in rollouts after which nothing is changed."""
    for weights in learner.net.parameters():  # away from the uniform policy of first weights
        weights.data.mul_(3 if weights.dim() == 2 else 1)
    return [
        learner.update(actor.collect(learner.agent, learner.config.horizon), Moment(0, 0, 1))["kl"]
        for _ in range(3)
    ]


@pytest.mark.parametrize(("preset", "settings"), NETWORKS)
def test_the_policy_that_learns_is_the_one_that_acted(preset, settings, parts):
    learner, actor = parts(preset, [*TINY, *settings, *STILL])
    assert max(shifts(learner, actor)) < 1e-6


def test_a_memory_that_is_not_the_one_acted_with_is_caught(monkeypatch, parts):
    """The wrong variant: every rollout is learned from as if memory were empty before it."""
    learner, actor = parts("procgen-recurrent", [*TINY, *STILL])
    collect = actor.collect

    def emptied(agent, horizon):
        rollout = collect(agent, horizon)
        return replace(rollout, state=torch.zeros_like(rollout.state))

    monkeypatch.setattr(actor, "collect", emptied)
    assert max(shifts(learner, actor)[1:]) > 1e-6


def test_nothing_is_expected_beyond_an_end_and_no_next_level_is_looked_at(parts):
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


class Cut(gym.Env):
    """Nothing happens until the time limit cuts; it may end by the rules at that very step."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, ends=False):
        self.ends = ends

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.ones(2, np.float32), {}

    def step(self, action):
        self.time += 1
        over = self.time == 3
        return np.ones(2, np.float32), 1.0, over and self.ends, over, {}


gym.register("PolicyscopeEndless-v0", Cut)
gym.register("PolicyscopeBound-v0", Cut, kwargs={"ends": True})


@pytest.mark.parametrize("bootstraps", [True, False])
def test_a_cut_episode_goes_on_in_the_value_only_where_it_is_meant_to(parts, bootstraps):
    settings = ["lanes=2", "horizon=9", "minibatches=2"]
    learner, actor = parts("classic", settings, "gym:PolicyscopeEndless-v0", ())
    rollout = actor.collect(learner.agent, 9, bootstraps)
    assert rollout.over.sum() == 6
    assert rollout.next_value[rollout.over].all() == bootstraps
    assert rollout.next_value[rollout.over].any() == bootstraps
    assert rollout.next_value[~rollout.over].all()


def test_waiting_for_the_limit_is_worth_nothing_on_procgen():
    kept = {name: preset.truncation_bootstraps for name, preset in PRESETS.items()}
    assert kept == {"procgen": False, "procgen-recurrent": False, "classic": True}


def test_nothing_is_expected_beyond_an_end_by_the_rules_that_the_limit_cuts_too(parts):
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


def test_pixels_that_stay_where_they_lie_are_the_same_numbers():
    obs = torch.randint(256, (5, 64, 64, 3), dtype=torch.uint8)
    kept = obs.clone()
    want, got = Pixels()(obs), PixelsInPlace(Pixels())(obs)
    assert torch.equal(want, got)
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(obs, kept)
    assert not torch.equal(want, PixelsInPlace(Pixels(divisor=256.0))(obs))
