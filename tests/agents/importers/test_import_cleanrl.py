"""Models are the modules of CleanRL's scripts, written out here, and saved as those save them."""

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.contract import gap
from policyscope.agents.importers.recognise import import_agent, recognise
from policyscope.agents.store import load_agent, save_agent
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec

CARTPOLE, PENDULUM = EnvSpec("gym:CartPole-v1"), EnvSpec("gym:Pendulum-v1")


class QNetwork(nn.Module):
    """dqn.py"""

    def __init__(self, features=4, actions=2):
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(features, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, actions),
        )  # fmt: skip

    def forward(self, x):
        return {"q": self.network(x)}


class PPO(nn.Module):
    """ppo.py"""

    def __init__(self, features=4, actions=2):
        super().__init__()

        def chain(out):
            return nn.Sequential(
                nn.Linear(features, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, out)
            )

        self.critic, self.actor = chain(1), chain(actions)

    def forward(self, x):
        return {"logits": self.actor(x), "value": self.critic(x)[:, 0]}


class PPOContinuous(PPO):
    """ppo_continuous_action.py"""

    def __init__(self, features=3, actions=1):
        super().__init__(features, actions)
        self.actor_mean = self.actor
        del self.actor
        self.actor_logstd = nn.Parameter(torch.randn(1, actions))

    def forward(self, x):
        mean = self.actor_mean(x)
        log_std = self.actor_logstd.expand_as(mean)
        return {"mean": mean, "log_std": log_std, "value": self.critic(x)[:, 0]}


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        inputs = x
        x = nn.functional.relu(x)
        x = self.conv0(x)
        x = nn.functional.relu(x)
        return self.conv1(x) + inputs


class ConvSequence(nn.Module):
    def __init__(self, before, channels):
        super().__init__()
        self.conv = nn.Conv2d(before, channels, 3, padding=1)
        self.res_block0, self.res_block1 = ResidualBlock(channels), ResidualBlock(channels)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv(x), kernel_size=3, stride=2, padding=1)
        return self.res_block1(self.res_block0(x))


class Procgen(nn.Module):
    """ppo_procgen.py"""

    def __init__(self, actions=15):
        super().__init__()
        self.network = nn.Sequential(
            ConvSequence(3, 16), ConvSequence(16, 32), ConvSequence(32, 32),
            nn.Flatten(), nn.ReLU(), nn.Linear(2048, 256), nn.ReLU(),
        )  # fmt: skip
        self.actor, self.critic = nn.Linear(256, actions), nn.Linear(256, 1)

    def forward(self, x):
        hidden = self.network(x.permute((0, 3, 1, 2)) / 255.0)
        return {"logits": self.actor(hidden), "value": self.critic(hidden)[:, 0]}


class Atari(nn.Module):
    """dqn_atari.py"""

    def __init__(self, actions=6, head=True):
        super().__init__()
        layers = [
            nn.Conv2d(4, 32, 8, stride=4), nn.ReLU(), nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=1), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 512),
            nn.ReLU(),
        ]  # fmt: skip
        self.network = nn.Sequential(*layers, *([nn.Linear(512, actions)] if head else []))

    def forward(self, x):
        return {"q": self.network(x / 255.0)}


class AtariPPO(Atari):
    """ppo_atari.py"""

    def __init__(self, actions=6):
        super().__init__(head=False)
        self.actor, self.critic = nn.Linear(512, actions), nn.Linear(512, 1)

    def forward(self, x):
        hidden = self.network(x / 255.0)
        return {"logits": self.actor(hidden), "value": self.critic(hidden)[:, 0]}


MODELS = {
    "dqn_atari": (Atari, None, "q"),
    "ppo_atari": (AtariPPO, None, "categorical"),
    "dqn": (QNetwork, CARTPOLE, "q"),
    "ppo": (PPO, CARTPOLE, "categorical"),
    "ppo_continuous_action": (PPOContinuous, PENDULUM, "gaussian"),
    "ppo_procgen": (Procgen, None, "categorical"),
}


def written(tmp_path, weights):
    path = tmp_path / "script.cleanrl_model"
    torch.save(weights, path)
    return path


def observations(agent, rows=5):
    draw = np.random.default_rng(0)
    if agent.space.obs_dtype == "uint8":
        return torch.from_numpy(draw.integers(0, 256, (rows, *agent.space.obs_shape), np.uint8))
    return torch.from_numpy(draw.normal(size=(rows, *agent.space.obs_shape)).astype(np.float32))


@pytest.mark.parametrize("name", MODELS)
def test_imported_network_computes_what_the_script_computes(tmp_path, name):
    make, env, head = MODELS[name]
    theirs = make()
    path = written(tmp_path, theirs.state_dict())
    assert recognise(path) == "cleanrl"
    agent = import_agent(path, env=env)
    obs = observations(agent)
    save_agent(agent, tmp_path / "agent")
    with torch.no_grad():
        expected = theirs(obs)
        for who in (agent, load_agent(tmp_path / "agent")):
            assert gap(who.act(obs).outputs, expected) <= 1e-5
    assert (agent.head, agent.card["algorithm"]) == (head, name)
    assert max(v.std() for v in expected.values()) > 1e-3


def test_scaling_that_the_file_lacks_is_said(tmp_path, capsys):
    from policyscope.cli.main import main

    path = written(tmp_path, PPOContinuous().state_dict())
    flags = ["--env", "gym:Pendulum-v1", "--out", str(tmp_path / "agent")]
    assert main(["import", str(path), *flags]) == 0
    assert "scaled by running statistics" in capsys.readouterr().err
    assert "scaled by running" in load_agent(tmp_path / "agent").card["caution"]


def test_bounds_and_names_come_from_the_environment(tmp_path):
    path = written(tmp_path, PPOContinuous().state_dict())
    with pytest.raises(PolicyscopeError, match="bounds of its continuous actions.*--env"):
        import_agent(path)
    assert import_agent(path, env=PENDULUM).space.action_high == (2.0,)
    with pytest.raises(PolicyscopeError, match="numbers in an observation: 3.*has 4"):
        import_agent(path, env=CARTPOLE)
    plain = import_agent(written(tmp_path, QNetwork(6, 5).state_dict()))
    assert (plain.space.obs_shape, len(plain.space.actions)) == ((6,), 5)


def changed(make, **values):
    return {**make().state_dict(), **{k.replace("__", "."): v for k, v in values.items()}}


def lacking(make, name):
    return {k: v for k, v in make().state_dict().items() if k != name}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (lacking(AtariPPO, "actor.weight"), "it has no actor.weight"),
        (lacking(Atari, "network.2.weight"), "missing weights: features_extractor.cnn.2.weight"),
        (changed(Atari, network__0__weight=torch.ones(32, 4)), "another shape is its network.0"),
        (lacking(QNetwork, "network.2.bias"), "missing weights: layers.1.bias"),
        (lacking(PPO, "critic.4.weight"), "unknown weights: .*value_net.4.bias"),
        (lacking(Procgen, "network.5.weight"), "it has no network.5.weight"),
        (lacking(Procgen, "network.2.res_block1.conv0.bias"), "missing weights"),
        (changed(QNetwork, network__2__weight=torch.ones(3, 3)), "has shape"),
        (changed(PPO, more=torch.ones(2)), "unknown weights: more"),
        (changed(PPO, critic__0__bias=torch.full((64,), torch.nan)), "is not finite"),
        ({"critic.0.weight": torch.ones(2, 2), "actor.0.weight": torch.ones(2)}, "no matrix"),
        ({"q": torch.ones(2)}, "of no known lineage"),
    ],
)
def test_other_weights_are_one_clear_line(tmp_path, weights, said):
    with pytest.raises(BadFile, match=said) as caught:
        import_agent(written(tmp_path, weights))
    assert "\n" not in str(caught.value)
