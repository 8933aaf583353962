"""Models are written here as the library writes them, and by the library where it is installed."""

import numpy as np
import pytest
import torch

from policyscope.agents.contract import CHECKS, gap
from policyscope.agents.importers.recognise import import_agent, recognise
from policyscope.agents.store import load_agent, save_agent
from policyscope.cli.main import main
from policyscope.envs.spec import EnvSpec

CARTPOLE, PENDULUM = EnvSpec("gym:CartPole-v1"), EnvSpec("gym:Pendulum-v1")


@pytest.fixture
def cartpole(sb3, tmp_path, canary):
    values = sb3.settings(canary, sb3.box((4,)), sb3.discrete(2), clip_range={":type:": "function"})
    weights = sb3.actor_critic()
    return sb3.written(tmp_path, values, weights), weights


def test_discrete_policy_computes_what_the_library_computes(sb3, cartpole, tmp_path):
    path, weights = cartpole
    agent = import_agent(path, env=CARTPOLE)
    save_agent(agent, tmp_path / "agent")
    x = torch.randn(50, 4) * 3
    theirs = {
        "logits": sb3.forward(weights, x, sb3.POLICY),
        "value": sb3.forward(weights, x, sb3.VALUE)[:, 0],
    }
    for who in (agent, load_agent(tmp_path / "agent")):
        with torch.no_grad():
            assert gap(who.act(x).outputs, theirs) <= 1e-6
    assert torch.equal(agent.act(x, sample=False).action, theirs["logits"].argmax(-1))
    assert agent.card["algorithm"] == "PPO"
    assert agent.card["config"] == {"gamma": 0.9, "num_timesteps": 64}
    assert (agent.head, agent.acting) == ("categorical", "sample")


def test_activations_are_sites(cartpole):
    sites = import_agent(cartpole[0]).sites()
    assert sites["mlp_extractor.policy_net.3"].shape == (7,)
    assert [site.kind for site in sites.values()].count("Tanh") == 3


def test_continuous_policy_clips_its_actions(sb3, tmp_path, canary):
    values = sb3.settings(canary, sb3.box((3,)), sb3.box((2,), "-0.4", "0.25"))
    weights = sb3.actor_critic(3, actions=2, gaussian=True)
    agent = import_agent(sb3.written(tmp_path, values, weights))
    assert agent.space.action_low == pytest.approx((-0.4, -0.4))
    x = torch.randn(200, 3) * 3
    mean = sb3.forward(weights, x, sb3.POLICY)
    decision = agent.act(x, sample=False)
    assert torch.allclose(decision.action, mean.clamp(-0.4, 0.25), atol=1e-6)
    assert (mean > 0.25).any()
    drawn = agent.act(x, sample=True)
    assert ((drawn.action >= -0.4) & (drawn.action <= 0.25)).all()
    assert torch.equal(drawn.outputs["log_std"][7], weights["log_std"])
    assert agent.card["algorithm"] == "A2C"


def test_q_network_computes_what_the_library_computes(sb3, tmp_path, canary):
    values = sb3.settings(canary, sb3.box((4,)), sb3.discrete(3), exploration_rate=0.05)
    weights = sb3.q_net()
    agent = import_agent(sb3.written(tmp_path, values, weights))
    x = torch.randn(50, 4)
    with torch.no_grad():
        q = agent.act(x).outputs["q"]
    assert (q - sb3.forward(weights, x, sb3.Q, torch.relu)).abs().max() <= 1e-6
    assert (agent.head, agent.acting, agent.card["algorithm"]) == ("q", "greedy", "DQN")


@pytest.mark.parametrize("name", ["ReLU", "ELU", "Tanh"])
def test_activation_is_read_from_the_text(sb3, tmp_path, canary, name):
    told = {"activation_fn": f"<class 'torch.nn.modules.activation.{name}'>", "net_arch": [9, 7]}
    values = sb3.settings(canary, sb3.box((4,)), sb3.discrete(2), policy_kwargs=told)
    weights = sb3.actor_critic()
    agent = import_agent(sb3.written(tmp_path, values, weights))
    x = torch.randn(20, 4)
    theirs = sb3.forward(weights, x, sb3.POLICY, getattr(torch.nn, name)())
    with torch.no_grad():
        assert (agent.act(x).outputs["logits"] - theirs).abs().max() <= 1e-6


def test_observations_of_several_axes_and_no_hidden_layers(sb3, tmp_path, canary):
    values = sb3.settings(canary, sb3.box((2, 3), dtype="float64"), sb3.discrete(2))
    weights = sb3.actor_critic(6, policy=(), value=())
    agent = import_agent(sb3.written(tmp_path, values, weights))
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    theirs = sb3.forward(weights, x.flatten(1).float(), ("action_net",))
    with torch.no_grad():
        assert (agent.act(x).outputs["logits"] - theirs).abs().max() <= 1e-6
    save_agent(agent, tmp_path / "agent")
    assert load_agent(tmp_path / "agent").preprocess(x).shape == (5, 6)


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("check", CHECKS)
def test_imported_agent_holds_the_contract(sb3, tmp_path, canary, check, gaussian):
    done = sb3.box((2,), "-0.5", "0.5") if gaussian else sb3.discrete(2)
    path = sb3.written(
        tmp_path, sb3.settings(canary, sb3.box((4,)), done), sb3.actor_critic(gaussian=gaussian)
    )
    CHECKS[check](import_agent(path), torch.randn(6, 3, 4))


def test_every_verb_works_on_an_imported_cartpole_agent(cartpole, tmp_path, capsys):
    out, rec = str(tmp_path / "agent"), str(tmp_path / "rec")
    assert recognise(cartpole[0]) == "stable_baselines3"
    path = str(cartpole[0])
    assert main(["import", path, "--env", "gym:CartPole-v1", "--out", out]) == 0
    assert main(["show", out]) == 0
    assert "mlp_extractor.policy_net.1" in capsys.readouterr().out
    assert main(["record", out, "--episodes", "2", "--workers", "0", "--out", rec]) == 0
    flags = ["--episodes", "2", "--workers", "0", "--no-cache"]
    assert main(["evaluate", out, *flags]) == 0
    assert "random" in capsys.readouterr().out


def test_a_continuous_agent_is_recorded(sb3, tmp_path, canary, capsys):
    values = sb3.settings(canary, sb3.box((3,)), sb3.box((1,), "-2.0", "2.0"))
    path = sb3.written(tmp_path, values, sb3.actor_critic(3, actions=1, gaussian=True))
    out, rec = str(tmp_path / "agent"), str(tmp_path / "rec")
    assert main(["import", str(path), "--env", "gym:Pendulum-v1", "--out", out]) == 0
    assert main(["record", out, "--episodes", "1", "--workers", "0", "--out", rec]) == 0
    assert "200" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("algorithm", "env"),
    [("PPO", CARTPOLE), ("A2C", CARTPOLE), ("DQN", CARTPOLE), ("PPO", PENDULUM), ("A2C", PENDULUM)],
)
@pytest.mark.filterwarnings("ignore")
def test_parity_with_the_library(tmp_path, algorithm, env):
    library = pytest.importorskip("stable_baselines3")
    few = {"PPO": {"n_steps": 64}, "A2C": {}, "DQN": {"learning_starts": 10}}[algorithm]
    made = getattr(library, algorithm)(
        "MlpPolicy", env.id.removeprefix("gym:"), device="cpu", **few
    )
    made.learn(128)
    made.save(tmp_path / "model.zip")
    agent = import_agent(tmp_path / "model.zip", env=env)
    x = np.random.default_rng(0).normal(size=(300, *agent.space.obs_shape)).astype(np.float32) * 3
    theirs, _ = made.predict(x, deterministic=True)
    with torch.no_grad():
        ours = agent.act(x, sample=False)
        seen = torch.as_tensor(x)
        if algorithm == "DQN":
            assert (ours.outputs["q"] - made.q_net(seen)).abs().max() <= 1e-5
        else:
            values = made.policy.predict_values(seen)[:, 0]
            assert (ours.outputs["value"] - values).abs().max() <= 1e-5
    assert np.abs(ours.action.numpy() - theirs).max() <= 1e-5


@pytest.mark.parametrize("env", [CARTPOLE, PENDULUM])
@pytest.mark.filterwarnings("ignore")
def test_parity_with_the_recurrent_library(tmp_path, env):
    library = pytest.importorskip("sb3_contrib")
    made = library.RecurrentPPO("MlpLstmPolicy", env.id.removeprefix("gym:"), n_steps=32)
    made.learn(64)
    made.save(tmp_path / "model.zip")
    agent = import_agent(tmp_path / "model.zip", env=env)
    draw, theirs, ours = np.random.default_rng(0), None, None
    for t in range(20):
        x = draw.normal(size=(3, *agent.space.obs_shape)).astype(np.float32)
        action, theirs = made.predict(x, theirs, np.full(3, t == 0), deterministic=True)
        with torch.no_grad():
            decision = agent.act(x, ours, sample=False)
        ours = decision.state
        assert np.abs(decision.action.numpy() - action).max() <= 1e-5
        assert np.abs(ours["actor"][1].numpy() - theirs[1][0]).max() <= 1e-5
