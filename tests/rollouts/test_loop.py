"""The rollout loop: assignment, one forward pass, memory, noise."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.heads import RowNoise
from policyscope.agents.memory import memory_row, tree_map
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import FiredTwice
from policyscope.envs.entities import Entities
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import LaneStep, Space, Start
from policyscope.envs.steppers import LocalStepper
from policyscope.rollouts import loop
from policyscope.rollouts.loop import Episode, Watch, rollout, seeded_episodes

SPACE = Space((3,), "float32", (), ("seed", "time", "last action"), ("LEFT", "RIGHT", "STAY"))


def length_of(seed: int) -> int:
    return 1 + seed * 7 % 9


class Corridor:
    """A world whose episodes last as long as their seed says; even seeds end, odd are cut."""

    exact_restore = False
    has_final_obs = True
    spec = EnvSpec("corridor")
    space = SPACE

    def start(self, start: Start) -> np.ndarray:
        self.seed, self.time, self.action = start.seed, 0, -1
        return self._obs()

    def step(self, action: int) -> LaneStep:
        assert self.time < length_of(self.seed), "stepped after its end"
        self.time, self.action = self.time + 1, int(action)
        over = self.time == length_of(self.seed)
        odd = self.seed % 2 == 1
        return LaneStep(self._obs(), float(self.time), over and not odd, over and odd)

    def outcome(self) -> tuple[str, ...]:
        if self.time < length_of(self.seed):
            return ()
        return ("cut",) if self.seed % 2 else ("ended",)

    def entities(self) -> Entities:
        return Entities.from_rows([(0, "ego", 0, float(self.time), 0.0, 0.0, 1.0, 1.0, 1.0)])

    def close(self) -> None:
        pass

    def _obs(self) -> np.ndarray:
        return np.array([self.seed, self.time, self.action], np.float32)


class GRU(nn.Module):
    recurrent = True

    def __init__(self):
        super().__init__()
        self.cell, self.predict = nn.GRUCell(3, 6), nn.Linear(6, 3)

    def initial_state(self, rows: int) -> torch.Tensor:
        return torch.zeros(rows, 6)

    def forward(self, x, state):
        state = self.cell(x / 10, state)
        return {"logits": self.predict(state)}, state


class LSTM(nn.Module):
    """Memory in two parts."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.cell, self.predict = nn.LSTMCell(3, 6), nn.Linear(6, 3)

    def initial_state(self, rows: int) -> dict:
        return {"lstm": (torch.zeros(rows, 6), torch.zeros(rows, 6)), "age": torch.zeros(rows)}

    def forward(self, x, state):
        hidden, cell = self.cell(x / 10, state["lstm"])
        logits = self.predict(hidden) + state["age"][:, None]
        return {"logits": logits}, {"lstm": (hidden, cell), "age": state["age"] + 1}


class Counting(MLPNetwork):
    """Counts its forward passes."""

    passes = 0

    def forward(self, x):
        self.passes += 1
        return super().forward(x)


def corridors(lanes: int) -> LocalStepper:
    return LocalStepper([Corridor() for _ in range(lanes)])


def mlp(network: type[MLPNetwork] = MLPNetwork) -> Agent:
    return Agent(network(3, (8,), 3), ("mlp", {}), "categorical", SPACE, "sample")


def recurrent(network: type[nn.Module] = GRU) -> Agent:
    return Agent(network(), ("recurrent", {}), "categorical", SPACE, "sample")


def by_episode(rows) -> dict[int, list]:
    found: dict[int, list] = {}
    for row in rows:
        found.setdefault(row.episode, []).append(row)
    return found


@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_every_assigned_episode_runs_once_to_its_end(lanes):
    found = by_episode(rollout(mlp(), corridors(lanes), seeded_episodes(5, 7)))
    assert sorted(found) == list(range(7))
    for k, rows in found.items():
        seed = 5 + k
        assert [r.step for r in rows] == list(range(length_of(seed)))
        assert [r.obs[0] for r in rows] == [seed] * len(rows), "rows of another episode"
        assert [r.obs[1] for r in rows] == list(range(len(rows))), "not the state before the step"
        assert [r.obs[2] for r in rows[1:]] == [r.action for r in rows[:-1]]
        assert [r.reward for r in rows] == list(range(1, len(rows) + 1))
        assert [r.last for r in rows] == [False] * (len(rows) - 1) + [True]
        assert (rows[-1].terminated, rows[-1].truncated) == (seed % 2 == 0, seed % 2 == 1)
        assert rows[-1].outcome == (("cut",) if seed % 2 else ("ended",))
        assert rows[-1].final_obs.tolist() == [seed, len(rows), rows[-1].action]
        assert all(r.final_obs is None and r.outcome == () for r in rows[:-1])


def first_to_finish(agent: Agent, count: int, lanes: int) -> list[int]:
    """The mistake: run lanes on and on and take the first episodes that finish."""
    done = []
    for row in rollout(agent, corridors(lanes), seeded_episodes(0, 100)):
        if row.last:
            done.append(row.step + 1)
        if len(done) == count:
            return done
    raise AssertionError


def test_assignment_does_not_favour_short_episodes():
    expected = [length_of(seed) for seed in range(9)]
    assigned = by_episode(rollout(mlp(), corridors(9), seeded_episodes(0, 9)))
    assert np.mean([len(rows) for rows in assigned.values()]) == np.mean(expected)
    assert np.mean(first_to_finish(mlp(), 9, 9)) < np.mean(expected) - 1


class Twice(Agent):
    """The mistake: ask the network again for what is shown."""

    def act(self, obs, state=None, **choices):
        self.forward(torch.as_tensor(obs), state)
        return super().act(obs, state, **choices)


def passes_per_decision(kind: type[Agent]) -> float:
    net = Counting(3, (8,), 3)
    agent = kind(net, ("mlp", {}), "categorical", SPACE, "sample")
    watch = Watch(entities=True)
    rows = list(rollout(agent, corridors(1), seeded_episodes(3, 4), watch=watch))
    return net.passes / len(rows)


def test_one_forward_pass_a_decision():
    assert passes_per_decision(Agent) == 1
    assert passes_per_decision(Twice) == 2


def test_a_second_pass_cannot_hide_behind_a_watched_site():
    agent = Twice(MLPNetwork(3, (8,), 3), ("mlp", {}), "categorical", SPACE, "sample")
    with pytest.raises(FiredTwice, match=r"relus\.0"):
        next(rollout(agent, corridors(1), seeded_episodes(3, 4), watch=Watch(sites=("relus.0",))))


def test_watched_things_are_of_the_state_that_decided():
    agent = mlp()
    watch = Watch(sites=("predict",), entities=True)
    rows = list(rollout(agent, corridors(2), seeded_episodes(3, 5), watch=watch))
    for row in rows:
        now = agent.net(torch.as_tensor(row.obs)[None])[0].detach().numpy()
        np.testing.assert_allclose(row.sites["predict"], now, atol=1e-6)
        np.testing.assert_allclose(row.outputs["logits"], now, atol=1e-6)
        assert row.entities.x.tolist() == [row.step]
    assert all(r.entities is None for r in rollout(agent, corridors(2), seeded_episodes(3, 1)))


def flat(state) -> np.ndarray:
    """Memory of any form, (...) in one line."""
    if isinstance(state, dict):
        state = list(state.values())
    if isinstance(state, list | tuple):
        return np.concatenate([flat(part) for part in state])
    return np.ravel(state)


def memory_error(agent: Agent, lanes: int, padded: bool = True) -> float:
    """Largest difference of the loop's outputs to each episode unrolled alone from fresh memory."""
    worst = 0.0
    found = rollout(agent, corridors(lanes), seeded_episodes(1, 9), padded=padded)
    for rows in by_episode(found).values():
        obs = torch.as_tensor(np.stack([r.obs for r in rows]))[:, None]
        first = torch.zeros(len(rows), 1, dtype=torch.bool)
        first[0] = True
        with torch.no_grad():
            outputs, states = agent.unroll(obs, None, first)
        mine = np.stack([r.outputs["logits"] for r in rows])
        worst = max(worst, float(np.abs(mine - outputs["logits"][:, 0].numpy()).max()))
        after = [flat(memory_row(state, 0)) for state in steps_of(states, len(rows))]
        before = np.stack([np.zeros_like(after[0]), *after[:-1]])
        worst = max(worst, float(np.abs(np.stack([flat(r.state_in) for r in rows]) - before).max()))
    return worst


def steps_of(states, count: int) -> list:
    return [tree_map(lambda leaf, t=t: leaf[t], states) for t in range(count)]


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("lanes", [1, 4, 9])
@pytest.mark.parametrize("network", [GRU, LSTM])
def test_memory_is_reset_at_row_0(network, lanes, padded):
    assert memory_error(recurrent(network), lanes, padded) < 1e-6


@pytest.mark.parametrize("network", [GRU, LSTM])
def test_the_memory_test_sees_lanes_that_are_mixed_up(monkeypatch, network):
    def takes_the_first(self, lanes):
        if self.value is not None:
            self.value = tree_map(lambda leaf: leaf[: len(lanes)], self.value)

    monkeypatch.setattr(loop._Memory, "keep", takes_the_first)
    assert memory_error(recurrent(network), 9, padded=False) > 1e-3


@pytest.mark.parametrize("network", [GRU, LSTM])
def test_the_memory_test_sees_a_forgotten_reset(monkeypatch, network):
    def forgets(self, lanes, width):
        if self.value is None:
            self.value = self.agent.initial_state(width)

    monkeypatch.setattr(loop._Memory, "begin", forgets)
    assert memory_error(recurrent(network), 2) > 1e-3


@pytest.mark.parametrize("padded", [True, False])
def test_a_lane_that_waits_changes_no_episode(padded):
    def hesitating():
        for episode in seeded_episodes(1, 9):
            yield from (None, episode) if episode.index in (4, 7) else (episode, None)

    agent = recurrent()
    whole = by_episode(rollout(agent, corridors(3), seeded_episodes(1, 9), padded=padded))
    given = by_episode(rollout(agent, corridors(3), hesitating(), padded=padded))
    assert given.keys() == whole.keys()
    for k, rows in whole.items():
        assert [int(r.action) for r in given[k]] == [int(r.action) for r in rows]
        found = np.stack([flat(r.state_in) for r in given[k]])
        np.testing.assert_allclose(found, np.stack([flat(r.state_in) for r in rows]), atol=1e-6)


def test_rows_hold_memory_in_the_form_of_the_agent():
    for row in rollout(recurrent(LSTM), corridors(3), seeded_episodes(1, 5)):
        hidden, cell = row.state_in["lstm"]
        assert (hidden.shape, cell.shape) == ((6,), (6,))
        assert row.state_in["age"] == row.step


def test_resetting_one_lane_leaves_the_memory_of_the_others():
    rows = by_episode(rollout(recurrent(), corridors(2), seeded_episodes(1, 9)))
    assert any(r.state_in.any() for k in rows for r in rows[k] if r.step)
    assert not any(r.state_in.any() for k in rows for r in rows[k] if not r.step)


def actions(agent: Agent, stepper, episodes: list[Episode]) -> dict[int, list[int]]:
    found = by_episode(rollout(agent, stepper, episodes, seed=7))
    return {k: [int(r.action) for r in rows] for k, rows in sorted(found.items())}


class Stream(RowNoise):
    """The mistake: noise drawn from one stream in the order of the batch."""

    generator = np.random.default_rng(0)

    def uniform(self, width: int) -> torch.Tensor:
        rows = len(self.episodes)
        return torch.as_tensor(self.generator.random((rows, width)), dtype=torch.float32)


def lanes_agree(agent: Agent) -> bool:
    alone = actions(agent, corridors(1), seeded_episodes(1, 9))
    others = [actions(agent, corridors(n), seeded_episodes(1, 9)) for n in (3, 8)]
    turned = actions(agent, corridors(2), seeded_episodes(1, 9)[::-1])
    return all(other == alone for other in [*others, turned])


def test_sampled_actions_do_not_depend_on_the_number_of_lanes(monkeypatch):
    assert lanes_agree(mlp())
    taken = actions(mlp(), corridors(3), seeded_episodes(1, 9))
    assert len({a for row in taken.values() for a in row}) == 3, "not sampled"
    monkeypatch.setattr(loop, "RowNoise", Stream)
    assert not lanes_agree(mlp())


def test_sampled_actions_do_not_depend_on_the_number_of_workers():
    spec = EnvSpec("gym:CartPole-v1")
    found = []
    for workers in (0, 2):
        stepper = make(spec, lanes=3, workers=workers)
        torch.manual_seed(0)
        net = MLPNetwork(4, (8,), 2)
        agent = Agent(net, ("mlp", {}), "categorical", stepper.space, "sample")
        try:
            found.append(actions(agent, stepper, seeded_episodes(0, 5)))
        finally:
            stepper.close()
    assert found[0] == found[1]
    assert {a for row in found[0].values() for a in row} == {0, 1}


class Widths(MLPNetwork):
    """Notes how many rows each forward pass has."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.rows = []

    def forward(self, x):
        self.rows.append(len(x))
        return super().forward(x)


@pytest.mark.parametrize("lanes", [2, 4, 12])
def test_without_padding_running_lanes_alone_are_computed(lanes):
    found = {}
    for padded in (True, False):
        torch.manual_seed(0)
        net = Widths(3, (8,), 3)
        agent = Agent(net, ("mlp", {}), "categorical", SPACE, "sample")
        rows = by_episode(
            rollout(agent, corridors(lanes), seeded_episodes(0, 9), seed=7, padded=padded)
        )
        decided = sum(len(each) for each in rows.values())
        assert sum(net.rows) == (len(net.rows) * lanes if padded else decided)
        assert decided == sum(length_of(seed) for seed in range(9))
        found[padded] = {k: [(int(r.action), r.reward) for r in v] for k, v in rows.items()}
    assert found[True] == found[False]


def test_another_seed_gives_other_noise():
    agent = mlp()
    one, two = (
        [int(r.action) for r in rollout(agent, corridors(2), seeded_episodes(0, 9), seed=seed)]
        for seed in (0, 1)
    )
    assert one != two


def test_hooks_are_gone_after_a_rollout_that_was_left_early():
    agent = mlp()
    rows = rollout(agent, corridors(2), seeded_episodes(0, 9), watch=Watch(sites=("relus.0",)))
    next(rows)
    rows.close()
    assert not any(module._forward_hooks for module in agent.net.modules())


def cartpole_moments() -> tuple[LocalStepper, Start, Start]:
    """A stepper, and snapshots of one episode's last moments: before its end and after it."""
    stepper = make(EnvSpec("gym:CartPole-v1"), lanes=1)
    stepper.start([Start(seed=3)])
    while not stepper.call(0, "outcome"):
        before = Start(snapshot=stepper.call(0, "snapshot"))
        stepper.step([0])
    return stepper, before, Start(snapshot=stepper.call(0, "snapshot"))


def test_an_episode_that_has_ended_where_it_starts_is_named():
    stepper, before, after = cartpole_moments()
    agent = Agent(MLPNetwork(4, (8,), 2), ("mlp", {}), "categorical", stepper.space)
    with pytest.raises(PolicyscopeError, match=r"episode 6 has already ended where it starts \("):
        list(islice(rollout(agent, stepper, [Episode(6, after)]), 50))
    rows = list(islice(rollout(agent, stepper, [Episode(6, before)]), 50))
    assert rows[0].step == 0
    assert rows[-1].last
    stepper.close()
