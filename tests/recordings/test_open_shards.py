"""Shards that are recorded side by side: what lanes run next, and that no byte tells of it."""

from functools import partial
from itertools import islice

import numpy as np
import pytest

from policyscope.agents.store import load_agent
from policyscope.core.files import digest
from policyscope.recordings import record as recorder
from policyscope.recordings.plan import make_plan, prepare
from policyscope.recordings.record import ShardRecorder, record
from policyscope.recordings.shards.open_shards import MOST_OPEN, OpenShards, steps_together
from policyscope.rollouts.loop import Row, rollout, seeded_episodes


def line(episode: int, last: bool) -> Row:
    """A row that tells when an episode ends and nothing else."""
    nothing = np.zeros(1)
    return Row(
        episode, 0, nothing, None, nothing, nothing, 0.0, {}, {}, None, 0.0, last, False, (), None
    )


def lockstep(lengths: list[int], lanes: int, shard: int, most: int) -> tuple[int, list[int], int]:
    """Steps that lanes take together, the order in which shards fill, and most rows held."""
    shards = OpenShards(shard, most)
    asked = iter(range(-(-len(lengths) // shard)))
    waiting = shards.episodes(seeded_episodes(0, len(lengths)), asked)
    taken, held = 0, 0

    def rows():
        nonlocal taken, held
        left = dict[int, int]()
        while True:
            free = lanes - len(left)
            for episode in islice(waiting, free):
                if episode is None:
                    break
                left[episode.index] = lengths[episode.index]
            if not left:
                return
            taken += 1
            held = max(held, sum(map(len, shards._rows.values())))
            for k in list(left):
                left[k] -= 1
                yield line(k, not left[k])
                if not left[k]:
                    del left[k]

    filled = []
    for number, lines in shards.filled(rows()):
        first, count = number * shard, min(shard, len(lengths) - number * shard)
        wanted = {k: lengths[k] for k in range(first, first + count)}
        assert {k: sum(row.episode == k for row in lines) for k in wanted} == wanted
        assert len(lines) == sum(wanted.values())
        filled.append(number)
    return taken, filled, held


def test_lanes_go_on_while_the_longest_episode_of_a_shard_runs():
    lengths = np.random.default_rng(0).geometric(1 / 20, 256).tolist()
    alone, one_by_one, _ = lockstep(lengths, 8, 16, 1)
    together, order, _ = lockstep(lengths, 8, 16, MOST_OPEN)
    least = sum(lengths) / 8
    assert one_by_one == list(range(16))
    assert sorted(order) == list(range(16))
    assert least / alone < 0.65, "or there would be nothing to win"
    assert least / together > 0.85, "all lanes end together at the end of all alone"
    assert steps_together(lengths, 8, 16, 1) == alone
    assert steps_together(lengths, 8, 16) == together
    for shard, most in ((1, 4), (3, 2), (40, 2)):
        assert steps_together(lengths, 8, shard, most) == lockstep(lengths, 8, shard, most)[0]


def test_a_shard_that_does_not_end_holds_up_neither_lanes_nor_memory():
    lengths = [1000, *[3] * 639]
    taken, order, held = lockstep(lengths, 8, 16, MOST_OPEN)
    assert taken == 1000
    assert order == [*range(1, 40), 0]
    assert held < 1000 + 3 * 16 * 2


def test_no_more_shards_are_open_than_may_be():
    shards = OpenShards(2, 3)
    given = shards.episodes(seeded_episodes(0, 20), iter(range(10)))
    assert [episode and episode.index for episode in islice(given, 8)] == [*range(6), None, None]
    ends = [line(2, False), line(3, True), line(2, True)]
    assert list(shards.filled(ends)) == [(1, ends)]
    assert [episode and episode.index for episode in islice(given, 4)] == [6, 7, None, None]


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    agent, folder = load_agent("coinrun-gru"), tmp_path_factory.mktemp("coinrun")
    sites = ["embedder.relufc", "gru.gru.memory"]
    plan = make_plan(agent, agent.env, 4, 0, sites, shard_episodes=1)
    return agent, plan, folder


def by_hand(plan, agent, folder, numbers) -> str:
    """Shards recorded one at a time in some order; what is in them."""
    prepare(folder, plan, agent, {})
    alone = ShardRecorder(str(folder))
    try:
        for number in numbers:
            alone(number)
    finally:
        alone.close()
    return digest(folder / "shards")


def test_a_shard_has_the_same_bytes_alone_and_beside_others(coinrun, monkeypatch):
    """Of images and memory; in the mistake, a batch is as wide as there are episodes to run."""
    agent, plan, folder = coinrun
    alone = by_hand(plan, agent, folder / "alone", [2, 0, 3, 1])
    sites = list(plan.sites)
    record(agent, None, 4, 0, sites, folder / "together", shard_episodes=1)
    assert digest(folder / "together/shards") == alone
    monkeypatch.setattr(recorder, "rollout", partial(rollout, padded=False))
    record(agent, None, 4, 0, sites, folder / "narrow", shard_episodes=1)
    assert digest(folder / "narrow/shards") != alone
