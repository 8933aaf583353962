"""Checkpoints of other programs, small and drawn at random, and what their import needs to know."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent

ROOT = Path(__file__).resolve().parents[2]
GRU = {"widths": [4, 6, 8], "embedding": 20, "actions": 15, "shape": [3, 64, 64], "memory": 12}
RIGHT, RIGHT_UP = 7, 8  # of Procgen's actions: an agent of them gets through a level


@dataclass(frozen=True)
class Foreign:
    """A checkpoint, and how the verbs are told of it.

    Args:
        write: makes the file in a folder.
        flags: of the import.
        site: a hidden one with few units, on the way to every output.
        formulas: file of the repository that computes what the lineage does; empty where the
            library itself is asked.
        seed: of the first of two short episodes.
        train: settings of a training that can go on from its weights; None where none can.
    """

    write: Callable[[Path], Path]
    flags: tuple[str, ...]
    site: str
    formulas: str = ""
    seed: int = 0
    train: tuple[str, ...] | None = None

    def proof(self, path: Path) -> list[str]:
        """Flags by which the doctor compares the agent with its original."""
        if not self.formulas:
            return ["--original", str(path)]
        file = ROOT / "tests" / "agents" / "parity" / f"original_{self.formulas}.py"
        return ["--original", str(file), "--checkpoint", str(path)]


def _drawn(shapes):
    """Numbers of the size that a layer's width asks for."""
    return {
        name: torch.randn(shape) * (shape[1:].numel() ** -0.5 if len(shape) > 1 else 0.3)
        for name, shape in shapes.items()
    }


def _dense(part, *sizes):
    shapes = {}
    for i, (inside, out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        shapes |= {f"{part}.{2 * i}.weight": (out, inside), f"{part}.{2 * i}.bias": (out,)}
    return _drawn({name: torch.Size(shape) for name, shape in shapes.items()})


def _saved(name, make):
    def write(folder):
        with torch.random.fork_rng():
            torch.manual_seed(4)
            torch.save(make(), folder / name)
        return folder / name

    return write


def _gru():
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    shapes = {k: v.shape for k, v in build_network("impala_gru", GRU).state_dict().items()}
    weights = _drawn(shapes)
    weights["fc_policy.bias"].zero_()
    weights["fc_policy.bias"][[RIGHT, RIGHT_UP]] = torch.tensor([3.0, 3.5])
    return {"state_dict": weights}


def _continuous():
    weights = _dense("actor_mean", 3, 9, 9, 1) | _dense("critic", 3, 9, 9, 1)
    return weights | {"actor_logstd": torch.zeros(1, 1)}


def _clear(folder):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    path = ROOT.parent / "shared" / "data" / "coinrun_clear.jd"
    if not path.is_file():
        pytest.skip("needs shared/data/coinrun_clear.jd beside the repository")
    return path


def _sb3(algorithm, policy, package="stable_baselines3", **settings):
    def write(folder):
        library = pytest.importorskip(package)
        model = getattr(library, algorithm)(policy, "CartPole-v1", seed=1, **settings)
        model.learn(64)
        model.save(folder / "model.zip")
        return folder / "model.zip"

    return write


CARTPOLE = ("--env", "gym:CartPole-v1")
PENDULUM = ("--env", "gym:Pendulum-v1", "--env-set", "max_episode_steps=12")
COINRUN = ("--env", "procgen/coinrun", "--env-set", "mode=easy")
HIDDEN = "mlp_extractor.policy_net.3"
SHORT = {"n_steps": 32, "batch_size": 32, "n_epochs": 1}
FOREIGN = {
    "cleanrl_ppo": Foreign(
        _saved(
            "ppo.cleanrl_model", lambda: _dense("actor", 4, 9, 7, 2) | _dense("critic", 4, 9, 7, 1)
        ),
        CARTPOLE, HIDDEN, "cleanrl", train=("widths=[9,7]",),
    ),
    "cleanrl_dqn": Foreign(
        _saved("dqn.cleanrl_model", lambda: _dense("network", 4, 9, 7, 2)),
        CARTPOLE, "relus.1", "cleanrl",
    ),
    "cleanrl_continuous": Foreign(
        _saved("continuous.cleanrl_model", _continuous), PENDULUM, HIDDEN, "cleanrl",
        train=("widths=[9,9]",),
    ),
    "procgen_gru": Foreign(
        _saved("model_1234.pth", _gru), COINRUN, "gru.gru.memory", "procgen_pytorch", seed=11,
        train=("widths=[4,6,8]", "embedding=20", "memory=12"),
    ),
    "rl_agents": Foreign(
        _saved(
            "latest.tar",
            lambda: {"state_dict": load_agent("highway-ego-attention").net.state_dict()},
        ),
        ("--heads", "4"), "output_layer.relus.0", "rl_agents",
    ),
    "rl_clarity": Foreign(_clear, COINRUN, "dense_relu", "rl_clarity", seed=11),
    "sb3_ppo": Foreign(_sb3("PPO", "MlpPolicy", **SHORT), CARTPOLE, HIDDEN, train=()),
    "sb3_dqn": Foreign(_sb3("DQN", "MlpPolicy"), CARTPOLE, "relus.1"),
    "sb3_recurrent": Foreign(
        _sb3("RecurrentPPO", "MlpLstmPolicy", "sb3_contrib", **SHORT), CARTPOLE, HIDDEN
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def foreign():
    return FOREIGN
