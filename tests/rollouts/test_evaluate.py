import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import make_lane
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Start
from policyscope.rollouts import evaluate as module
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.cache import (
    cache_folder,
    cache_key,
    read_cache,
    source_digest,
    write_cache,
)
from policyscope.rollouts.evaluate import Plan, evaluate, evaluate_all

HIGHWAY = EnvSpec("highway/intersection")
CARTPOLE = EnvSpec("gym:CartPole-v1", {"max_episode_steps": 60})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def driver():
    lane = make_lane(HIGHWAY)
    return Agent(build_network("ego_attention", {}), ("ego_attention", {}), "q", lane.space)


@pytest.fixture
def balancer():
    """A CartPole policy whose weights say something: push towards the lean."""
    arguments = {"features": 4, "widths": [8], "actions": 2}
    net = build_network("mlp", arguments)
    space = Space((4,), "float32", actions=("0", "1"))
    return Agent(net, ("mlp", arguments), "categorical", space, "sample")


def counted_by_hand(env, action, seeds):
    """Return, steps and outcome of a constant action, with no code of ours but the lane's."""
    lane, rows = make_lane(env), []
    for seed in seeds:
        lane.start(Start(seed=seed))
        rewards, over = [], False
        while not over:
            step = lane.step(action)
            rewards.append(step.reward)
            over = step.terminated or step.truncated
        rows.append((sum(rewards), len(rewards), "+".join(lane.outcome())))
    return rows


def test_table_holds_every_assigned_episode_as_counted_by_hand(driver):
    table = evaluate(baseline("constant:FASTER", driver), HIGHWAY, 23, seed=100)
    assert table["seed"].tolist() == list(range(100, 123))
    assert table["episode"].tolist() == list(range(23))
    expected = counted_by_hand(HIGHWAY, 2, range(100, 123))
    assert list(zip(table["return"], table["steps"], table["outcome"], strict=True)) == expected
    assert (table["action_FASTER"] == table["steps"]).all()
    assert (table["action_SLOWER"] == 0).all()
    assert (table["terminated"] | table["truncated"]).all()
    assert table.attrs["act"] == "greedy"


def test_known_values_of_the_task(driver):
    """SLOWER never leaves: no reward, no crash, 13 decisions."""
    table = evaluate(baseline("constant:SLOWER", driver), HIGHWAY, 10)
    assert table["return"].tolist() == [0.0] * 10
    assert table["steps"].tolist() == [13] * 10
    assert set(table["outcome"]) == {"timed_out"}
    assert table["truncated"].all()


def test_workers_do_not_change_the_table(balancer):
    plan = Plan(
        (agent_policy(balancer), baseline("random", balancer)), CARTPOLE, 45, 3, cached=False
    )
    alone, spread = evaluate_all(plan), evaluate_all(plan, workers=2)
    for name in ("agent", "random"):
        pd.testing.assert_frame_equal(alone[name], spread[name])
    assert not alone["agent"]["return"].equals(alone["random"]["return"])


def test_seed_and_acting_mode_decide_the_actions(balancer):
    def returns(act, seed):
        return evaluate(balancer, CARTPOLE, 5, seed, act=act)["action_0"].tolist()

    assert returns("sample", 0) == returns("sample", 0)
    assert returns("sample", 0) != returns("sample", 1)
    assert returns("greedy", 0) != returns("sample", 0)


def test_fresh_untrained_weights_differ_between_episodes(driver):
    table = evaluate(baseline("untrained", driver), HIGHWAY, 6)
    modes = table.filter(regex="action_").to_numpy().argmax(1)
    assert len(set(modes)) > 1


def test_longer_evaluations_reuse_finished_shards(balancer, monkeypatch):
    first = evaluate(balancer, CARTPOLE, 20)
    ran = []
    real = module.run_shard
    monkeypatch.setattr(module, "run_shard", lambda *given: ran.append(given[-1]) or real(*given))
    longer = evaluate(balancer, CARTPOLE, 50)
    assert ran == [1, 2]
    pd.testing.assert_frame_equal(longer[:20], first)
    evaluate(balancer, CARTPOLE, 50)
    assert ran == [1, 2]
    evaluate_all(Plan((agent_policy(balancer),), CARTPOLE, 20, cached=False))
    assert ran == [1, 2, 0]


def test_everything_that_matters_is_in_the_key(balancer, monkeypatch):
    ran = []
    real = module.run_shard
    monkeypatch.setattr(module, "run_shard", lambda *given: ran.append(given[-1]) or real(*given))
    evaluate(balancer, CARTPOLE, 2)
    changed = balancer.with_weights(
        {k: v + (k == "predict.bias") for k, v in balancer.net.state_dict().items()}
    )
    variants = [
        lambda: evaluate(changed, CARTPOLE, 2),
        lambda: evaluate(balancer, CARTPOLE, 3),
        lambda: evaluate(balancer, CARTPOLE, 2, 1),
        lambda: evaluate(balancer, CARTPOLE, 2, act="greedy"),
        lambda: evaluate(balancer, EnvSpec("gym:CartPole-v1", {"max_episode_steps": 30}), 2),
        lambda: evaluate(replace(agent_policy(balancer), fresh=True), CARTPOLE, 2),
        lambda: evaluate(balancer, replace(CARTPOLE, versions={"gymnasium": "0"}), 2),
    ]
    for number, run in enumerate(variants):
        run()
        assert len(ran) == number + 2
    evaluate(balancer, CARTPOLE, 2)
    assert len(ran) == len(variants) + 1


@pytest.mark.parametrize("damage", ["{", "[]", '{"values": 1}', "change", "short", "binary"])
def test_damaged_entries_are_computed_again(balancer, cache, damage):
    table = evaluate(balancer, CARTPOLE, 5)
    (entry,) = cache.rglob("*.json")
    values = json.loads(entry.read_text())
    if damage == "change":
        values["values"][0]["return"] += 1
        entry.write_text(json.dumps(values))
    elif damage == "short":
        write_cache(entry.stem, values["values"][:-1])
    elif damage == "binary":
        entry.write_bytes(b"\xff\xfe\x00")
    else:
        entry.write_text(damage)
    pd.testing.assert_frame_equal(evaluate(balancer, CARTPOLE, 5), table)
    assert read_cache(entry.stem) is not None


def test_a_cache_that_cannot_be_written_only_costs_time(balancer, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "file"))
    assert len(evaluate(balancer, CARTPOLE, 3)) == 3


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("POLICYSCOPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "policyscope"
    assert cache_key({"a": 1}) != cache_key({"a": 2})
    assert read_cache(cache_key({"a": 1})) is None


def test_what_finished_before_an_interruption_is_kept(balancer, monkeypatch):
    ran = []
    real = module.run_shard

    def stop_at_the_third(*given):
        if given[-1] == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(module, "run_shard", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        evaluate(balancer, CARTPOLE, 60)
    monkeypatch.setattr(module, "run_shard", lambda *given: ran.append(given[-1]) or real(*given))
    resumed = evaluate(balancer, CARTPOLE, 60)
    assert ran == [2]
    whole = evaluate_all(Plan((agent_policy(balancer),), CARTPOLE, 60, cached=False))["agent"]
    pd.testing.assert_frame_equal(resumed, whole)


def test_progress_counts_episodes(balancer):
    told = []
    plan = Plan((agent_policy(balancer), baseline("random", balancer)), CARTPOLE, 25)
    evaluate_all(plan, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 50), (20, 50), (25, 50), (45, 50), (50, 50)]


def test_baselines_of_fewer_episodes_share_seeds_shards_and_progress(balancer, monkeypatch):
    policies = (agent_policy(balancer), *(baseline(n, balancer) for n in ("random", "constant:0")))
    plan, told, ran = Plan(policies, CARTPOLE, 45, 3, baseline_episodes=20), [], []
    real = module.run_shard
    monkeypatch.setattr(module, "run_shard", lambda *given: ran.append(given[-1]) or real(*given))
    few = evaluate_all(plan, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 85), (20, 85), (40, 85), (45, 85), (65, 85), (85, 85)]
    assert [plan.shards(k) for k in range(3)] == [range(3), range(3, 4), range(4, 5)]
    more = evaluate_all(replace(plan, baseline_episodes=None))
    assert ran[5:] == [4, 5, 7, 8]  # what fewer episodes left in the cache is not run again
    for name in ("random", "constant:0"):
        assert few[name]["seed"].tolist() == list(range(3, 23))
        pd.testing.assert_frame_equal(few[name], more[name][:20])
    pd.testing.assert_frame_equal(few["agent"], more["agent"])
    monkeypatch.undo()
    apart = evaluate_all(replace(plan, cached=False), workers=2)
    for name, table in few.items():
        pd.testing.assert_frame_equal(apart[name], table)


def test_an_agent_of_another_environment_is_refused(driver, balancer):
    with pytest.raises(PolicyscopeError, match=r"obs shape \(15, 7\), the environment has \(4,\)"):
        evaluate(driver, CARTPOLE, 1)
    order = ["presence", "y", "x", "vx", "vy", "cos_h", "sin_h"]
    with pytest.raises(PolicyscopeError, match="made for features"):
        evaluate(driver, replace(HIGHWAY, options={"observation.features": order}), 1)
    balancer.space = replace(balancer.space, actions=("left", "right"))
    with pytest.raises(PolicyscopeError, match="made for actions"):
        evaluate(balancer, CARTPOLE, 1)


def test_bad_plans_are_refused(balancer):
    with pytest.raises(PolicyscopeError, match="at least 1 episode"):
        evaluate(balancer, CARTPOLE, 0)
    with pytest.raises(PolicyscopeError, match="baselines need at least 1 episode, got -1"):
        Plan((agent_policy(balancer),), CARTPOLE, 2, baseline_episodes=-1)
    with pytest.raises(PolicyscopeError, match="evaluation seeds are 0..9999"):
        evaluate(balancer, CARTPOLE, 2, 9999)
    with pytest.raises(PolicyscopeError, match="distinct names"):
        Plan((agent_policy(balancer), agent_policy(balancer)), CARTPOLE, 1)


def test_memory_of_the_torch_generator_is_not_used(balancer):
    torch.manual_seed(1)
    first = evaluate_all(Plan((agent_policy(balancer),), CARTPOLE, 5, cached=False))["agent"]
    torch.manual_seed(2)
    np.random.seed(2)
    again = evaluate_all(Plan((agent_policy(balancer),), CARTPOLE, 5, cached=False))["agent"]
    pd.testing.assert_frame_equal(first, again)


def test_another_source_of_policyscope_is_computed_again(balancer, monkeypatch):
    real, ran = module.run_shard, []
    monkeypatch.setattr(module, "run_shard", lambda *given: ran.append(given[-1]) or real(*given))
    table = evaluate(balancer, CARTPOLE, 2)
    pd.testing.assert_frame_equal(evaluate(balancer, CARTPOLE, 2), table)
    assert ran == [0]
    monkeypatch.setattr(module, "source_digest", lambda: "of an edited loop")
    pd.testing.assert_frame_equal(evaluate(balancer, CARTPOLE, 2), table)
    assert ran == [0, 0]


@pytest.mark.parametrize("edit", ["core/stats.py", "envs/a/b.py", "agents/x.py", "rollouts/x.py"])
def test_the_digest_is_of_all_code_that_an_episode_runs_through(tmp_path, edit):
    def digest():
        source_digest.cache_clear()
        return source_digest(tmp_path)

    for name in ("core/stats.py", "envs/a/b.py", "agents/x.py", "rollouts/x.py", "cli/x.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1")
    before = digest()
    (tmp_path / "cli/x.py").write_text("2")
    (tmp_path / "core/x.pyc").write_text("2")
    assert digest() == before
    (tmp_path / edit).write_text("2")
    changed = digest()
    (tmp_path / edit).rename(tmp_path / edit.replace(".py", "_.py"))
    assert len({before, changed, digest()}) == 3
