import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.heads import RowNoise
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.stepper import Space, Start
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.loop import Episode

SPACE = Space((15, 7), "float32", actions=("SLOWER", "IDLE", "FASTER"))
EPISODES = [Episode(i, Start(seed=i)) for i in range(4)]


@pytest.fixture
def agent():
    return Agent(build_network("ego_attention", {}), ("ego_attention", {}), "q", SPACE)


def decide(agent, act, rows, step=0):
    noise = RowNoise(0, np.arange(rows), np.full(rows, step))
    return agent.act(torch.zeros(rows, 15, 7), sample=act == "sample", generator=noise).action


def test_random_takes_every_action_equally_often(agent):
    policy = baseline("random", agent)
    taken = torch.bincount(decide(policy.agent, policy.act, 9000), minlength=3) / 9000
    assert (taken - 1 / 3).abs().max() < 0.02
    assert torch.equal(decide(policy.agent, policy.act, 50), decide(policy.agent, policy.act, 50))
    assert not torch.equal(
        decide(policy.agent, policy.act, 50), decide(policy.agent, policy.act, 50, step=1)
    )


@pytest.mark.parametrize(("action", "number"), [("SLOWER", 0), ("IDLE", 1), ("FASTER", 2)])
def test_constant_takes_its_action(agent, action, number):
    policy = baseline(f"constant:{action}", agent)
    assert decide(policy.agent, policy.act, 20).tolist() == [number] * 20


def test_untrained_has_the_runs_own_initial_weights(agent):
    agent.initial = dict(build_network("ego_attention", {}).state_dict())
    policy = baseline("untrained", agent)
    ((actor, episodes),) = policy.parts(EPISODES)
    assert episodes == EPISODES
    for name, value in actor.net.state_dict().items():
        assert torch.equal(value, agent.initial[name])
    assert not torch.equal(
        actor.net.output_layer.predict.weight, agent.net.output_layer.predict.weight
    )


def test_untrained_without_initial_weights_is_fresh_for_every_episode(agent):
    before = torch.random.get_rng_state()
    parts = list(baseline("untrained", agent).parts(EPISODES))
    again = list(baseline("untrained", agent).parts(EPISODES[2:]))
    assert torch.equal(before, torch.random.get_rng_state())
    assert [e for _, episodes in parts for e in episodes] == EPISODES
    weights = [a.net.output_layer.predict.weight for a, _ in parts]
    assert len({w.sum().item() for w in weights}) == 4
    assert torch.equal(weights[2], again[0][0].net.output_layer.predict.weight)


def test_untrained_acts_as_the_agent_does(agent):
    agent.head, agent.acting = "categorical", "sample"
    assert baseline("untrained", agent).act == "sample"
    assert baseline("untrained", agent, "greedy").act == "greedy"
    assert agent_policy(agent).act == "sample"


def test_images_have_baselines_too():
    space = Space((8, 8, 3), "uint8", actions=("LEFT", "RIGHT"))
    arguments = {"widths": [2] * 5, "dense": [4, 4], "actions": 2, "shape": [3, 32, 32]}
    made = ("clear_cnn", arguments)
    agent = Agent(build_network(*made), made, "categorical", space, "sample")
    seen = torch.randint(0, 256, (400, 8, 8, 3), dtype=torch.uint8)
    noise = RowNoise(0, np.arange(400), np.zeros(400, int))
    for name, share in (("random", 0.5), ("constant:RIGHT", 1.0)):
        policy = baseline(name, agent)
        taken = policy.agent.act(seen, sample=policy.act == "sample", generator=noise).action
        assert abs(taken.float().mean().item() - share) < 0.1


def test_unknown_names_get_near_ones(agent):
    with pytest.raises(UnknownName, match="unknown baseline 'randon'. Did you mean random"):
        baseline("randon", agent)
    with pytest.raises(UnknownName, match="unknown action 'FASTR'. Did you mean FASTER"):
        baseline("constant:FASTR", agent)
    with pytest.raises(UnknownName, match="unknown action ''"):
        baseline("constant", agent)
    with pytest.raises(UnknownName, match="unknown acting mode 'gredy'. Did you mean greedy"):
        agent_policy(agent, "gredy")


def test_continuous_actions_are_drawn_evenly_between_their_bounds(agent):
    agent.space = Space((15, 7), "float32", action_low=(-1.0, 0.0), action_high=(1.0, 4.0))
    policy = baseline("random", agent)
    noise = torch.Generator().manual_seed(0)
    obs = torch.zeros(20_000, 15, 7)
    decision = policy.agent.act(obs, sample=True, generator=noise)
    drawn = decision.action
    assert drawn.min(0).values.tolist() == pytest.approx([-1.0, 0.0], abs=0.01)
    assert drawn.max(0).values.tolist() == pytest.approx([1.0, 4.0], abs=0.01)
    assert drawn.mean(0).tolist() == pytest.approx([0.0, 2.0], abs=0.05)
    assert drawn.var(0).tolist() == pytest.approx([4 / 12, 16 / 12], rel=0.03)
    assert decision.logp[0].item() == pytest.approx(-np.log(8))
    with pytest.raises(PolicyscopeError, match="'constant:0' needs an agent with discrete"):
        baseline("constant:0", agent)


def test_continuous_actions_without_bounds_have_no_random_baseline(agent):
    agent.space = Space((15, 7), "float32", action_low=(-np.inf,), action_high=(np.inf,))
    with pytest.raises(PolicyscopeError, match="needs actions with bounds"):
        baseline("random", agent)
