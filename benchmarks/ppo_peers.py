"""What `ppo.py` and `ppo_returns.py` compare with: Stable-Baselines3, and bare training loops."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from policyscope.agents.networks.impala import Embedder, ImpalaNetwork
from policyscope.envs.stepper import Space, Start, Stepper
from policyscope.training.ppo.config import PPOConfig
from policyscope.training.starts import Starts

WIDTHS = (16, 32, 32)


class Lanes(VecEnv):
    """A stepper as Stable-Baselines3 wants it: an ended lane begins its next episode at once.

    Args:
        stepper: steps the worlds.
        starts: where episodes begin.
    """

    def __init__(self, stepper: Stepper, starts: Starts):
        super().__init__(stepper.lanes, _observations(stepper.space), _actions(stepper.space))
        self.stepper, self.starts = stepper, starts
        self.episode = self.steps = 0
        self.finished: list[tuple[int, float]] = []
        self.returns = np.zeros(stepper.lanes)

    def reset(self) -> np.ndarray:
        """First observations of all lanes."""
        return self.stepper.start([self._next() for _ in range(self.num_envs)])

    def step_async(self, actions: np.ndarray) -> None:
        """Take the actions."""
        self.asked = actions.tolist()

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Execute them."""
        step = self.stepper.step(self.asked)
        over = step.terminated | step.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        self.steps += self.num_envs
        self.returns += step.reward
        obs = step.obs
        if over.any():
            starts: list[Start | None] = [None] * self.num_envs
            for i in np.flatnonzero(over).tolist():
                cut = bool(step.truncated[i])
                infos[i] = {"terminal_observation": step.obs[i], "TimeLimit.truncated": cut}
                self.finished.append((self.steps, float(self.returns[i])))
                starts[i] = self._next()
            self.returns[over] = 0.0
            obs = self.stepper.start(starts)
        return obs, step.reward.astype(np.float32), over, infos

    def _next(self) -> Start:
        self.episode += 1
        return self.starts.training(self.episode - 1)

    def close(self) -> None:
        """Free the worlds."""
        self.stepper.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """None: the lanes have no attributes of their own."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing is set."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **named: Any) -> Any:
        """No lane has methods of its own."""
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> Sequence[bool]:
        """None is."""
        return [False] * self.num_envs


def _observations(space: Space) -> spaces.Box:
    if space.obs_dtype == "uint8":
        return spaces.Box(0, 255, space.obs_shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, space.obs_shape, np.dtype(space.obs_dtype).type)


def _actions(space: Space) -> spaces.Discrete:
    return spaces.Discrete(len(space.actions))


class ImpalaFeatures(BaseFeaturesExtractor):
    """Our encoder as a features extractor."""

    def __init__(self, observation_space: spaces.Box, embedding: int, widths: Sequence[int]):
        super().__init__(observation_space, embedding)
        self.embedder = Embedder(widths, embedding, observation_space.shape)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """The embedding of scaled images."""
        return self.embedder(observations)


def schedule(c: PPOConfig) -> dict[str, Any]:
    """Our hyperparameters under their names, so that the same loss is made smaller."""
    return {
        "n_steps": c.horizon,
        "batch_size": c.batch // c.minibatches,
        "n_epochs": c.epochs,
        "gamma": c.gamma,
        "gae_lambda": c.lam,
        "learning_rate": lambda left: c.lr_final + left * (c.lr - c.lr_final),
        "clip_range": c.clip,
        "clip_range_vf": c.value_clip or None,
        "ent_coef": c.entropy,
        "vf_coef": c.value_coef / 2,  # of squared errors; ours of half of them
        "max_grad_norm": c.max_grad,
        "device": "cpu",
    }


def sb3_impala(lanes: Lanes, config: PPOConfig) -> OnPolicyAlgorithm:
    """Their PPO with our encoder and linear heads."""
    network = _network(256)
    return PPO("CnnPolicy", lanes, policy_kwargs=network, seed=0, **schedule(config))


def sb3_recurrent(
    lanes: Lanes, config: PPOConfig, seed: int = 0, widths: Sequence[int] = WIDTHS
) -> OnPolicyAlgorithm:
    """Their PPO through time: our encoder, one LSTM for policy and value, linear heads."""
    one = {"lstm_hidden_size": 64, "shared_lstm": True, "enable_critic_lstm": False}
    network = {**_network(64, widths), **one}
    return RecurrentPPO(
        "CnnLstmPolicy", lanes, policy_kwargs=network, seed=seed, **schedule(config)
    )


def _network(embedding: int, widths: Sequence[int] = WIDTHS) -> dict[str, Any]:
    return {
        "features_extractor_class": ImpalaFeatures,
        "features_extractor_kwargs": {"embedding": embedding, "widths": widths},
        "net_arch": [],
    }


def sb3_flat(lanes: Lanes, config: PPOConfig, seed: int) -> OnPolicyAlgorithm:
    """Their PPO with their perceptrons of twice 64 units, which are ours too."""
    return PPO("MlpPolicy", lanes, seed=seed, **schedule(config))


def bare_loop(config: PPOConfig) -> Callable[[], None]:
    """Forward and backward passes of an iteration on random images, and nothing else.

    The images are ready in the layout that is learned in, every pass takes the same ones, and what
    is made smaller is the sum of the outputs.
    """
    net = ImpalaNetwork().to(memory_format=torch.channels_last)
    seen, learned = (_images(n) for n in (config.lanes, config.microbatch))
    passes, rest = divmod(config.batch // config.minibatches, config.microbatch)
    if rest:
        raise SystemExit("microbatches must fill a minibatch")

    def act() -> None:
        for _ in range(config.horizon):
            _passed(net, seen)

    def learn() -> None:
        for _ in range(passes):
            _passed(net, learned).backward()

    return _iteration(config, net, act, learn)


class BareRecurrent(nn.Module):
    """Our encoder, torch's GRU and linear heads: what one would write for the passes alone."""

    def __init__(self, width: int = 64, actions: int = 15):
        super().__init__()
        self.embedder = Embedder(WIDTHS, width, (3, 64, 64))
        self.gru = nn.GRU(width, width)
        self.heads = nn.Linear(width, actions + 1)

    def forward(self, images: Sequence[torch.Tensor], lanes: int) -> torch.Tensor:
        """Sum of the outputs over time, from parts of its images."""
        with torch.autocast("cpu", torch.bfloat16):
            parts = [self.embedder(part) for part in images]
        embedded = torch.cat(parts).float()
        return self.heads(self.gru(embedded.unflatten(0, (-1, lanes)))[0]).sum()


def bare_recurrent(config: PPOConfig) -> Callable[[], None]:
    """The same with memory: passes through time for every minibatch of whole lanes."""
    net = BareRecurrent().to(memory_format=torch.channels_last)
    lanes = config.lanes // config.minibatches
    seen = [_images(config.lanes)]
    learned = _images(lanes * config.horizon).split(config.microbatch)

    def act() -> None:
        for _ in range(config.horizon):
            net(seen, config.lanes)

    return _iteration(config, net, act, lambda: net(learned, lanes).backward())


def _iteration(
    config: PPOConfig, net: nn.Module, act: Callable[[], None], learn: Callable[[], None]
) -> Callable[[], None]:
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-5, eps=1e-5, fused=True)

    def iteration() -> None:
        with torch.no_grad():
            act()
        for _ in range(config.epochs * config.minibatches):
            optimizer.zero_grad(set_to_none=True)
            learn()
            optimizer.step()

    return iteration


def _images(rows: int) -> torch.Tensor:
    images = torch.rand(rows, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last)


def _passed(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        outputs = net(images)
    return outputs["logits"].float().sum() + outputs["value"].float().sum()
