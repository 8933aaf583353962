"""Double DQN with uniform replay, from top to bottom.

Preset ``paper`` is the recipe of rl-agents: one environment, one update a step, hard target copies,
gradients clamped element by element. Preset ``fast`` steps many environments in lockstep and
learns while they step. Everything random is seeded and saved, so a run that is killed and resumed
ends with the weights of one that was not.

Reference: Mnih et al. 2015; van Hasselt et al. 2016; Leurent & Mercat 2019.
"""

import json
import math
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import save_agent, save_weights
from policyscope.core.errors import PolicyscopeError
from policyscope.core.provenance import provenance
from policyscope.envs.make import make
from policyscope.envs.seeds import training_seed
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Space, Start, Stepper
from policyscope.training.checkpoint import load_state, save_state
from policyscope.training.dqn_config import DQNConfig
from policyscope.training.log import CurveLog
from policyscope.training.replay import NStep, Replay, Transitions


@dataclass(frozen=True)
class Plan:
    """What to train, for how long and where to write it.

    Args:
        env: the environment.
        config: hyperparameters.
        steps: environment steps.
        seed: seed of weights, exploration, replay and environments.
        out: folder of the run; itself a loadable agent.
        checkpoints: evenly spaced weights to keep.
        save_every: environment steps between saved states; a kill costs at most these.
        workers: environment processes; the result does not depend on it.
        device: torch device of the network.
        command: the command line, for the card.
    """

    env: EnvSpec
    config: DQNConfig
    steps: int
    seed: int
    out: Path
    checkpoints: int = 0
    save_every: int = 5_000
    workers: int = 0
    device: str = "cpu"
    command: str = ""


def choose_network(space: Space, config: DQNConfig) -> tuple[str, dict[str, Any]]:
    """The network that fits a space: attention over rows, or a perceptron over flat features.

    Raises:
        PolicyscopeError: no network here fits; says what would.
    """
    if not space.actions:
        raise PolicyscopeError("DQN needs a discrete action space; this one is continuous")
    if len(space.obs_shape) == 2 and space.features[:1] == ("presence",):
        features = space.obs_shape[1]
        return "ego_attention", {
            "features": features,
            "heads": config.heads,
            "actions": len(space.actions),
        }
    if len(space.obs_shape) == 1:
        return "mlp", {"features": space.obs_shape[0], "actions": len(space.actions)}
    raise PolicyscopeError(
        f"no network for observations of shape {space.obs_shape}: DQN here takes flat vectors, or "
        "rows of features whose first feature is presence"
    )


class Learner:
    """Online and target network, optimiser and one update.

    Args:
        net: online network.
        config: hyperparameters.
        steps: environment steps of the whole run, for the learning-rate schedule.
    """

    def __init__(self, net: nn.Module, config: DQNConfig, steps: int):
        self.net, self.config, self.total_updates = net, config, steps * config.updates_per_step
        self.target = deepcopy(net).requires_grad_(False)
        self.mean = deepcopy(net).requires_grad_(False) if config.average else None
        self.optimizer = torch.optim.Adam(net.parameters(), lr=config.lr, foreach=True)
        self.updates = 0
        self.loss = math.nan

    def update(self, batch: Transitions) -> None:
        """One gradient step on double-Q targets."""
        c = self.config
        device = next(self.net.parameters()).device
        obs, next_obs = (torch.from_numpy(x).to(device) for x in (batch.obs, batch.next_obs))
        action = torch.from_numpy(batch.action).to(device)[:, None]
        reward, discount = (torch.from_numpy(x).to(device) for x in (batch.reward, batch.discount))
        with torch.no_grad():
            best = self.net(next_obs).argmax(-1, keepdim=True)
            goal = reward + discount * self.target(next_obs).gather(1, best)[:, 0]
        q = self.net(obs).gather(1, action)[:, 0]
        loss = functional.smooth_l1_loss(q, goal) if c.huber else functional.mse_loss(q, goal)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_value_(self.net.parameters(), c.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.step()
        self.updates += 1
        self.loss = float(loss.detach())
        if self.mean is not None:
            self._average(min(c.average, 1 - 1 / self.updates))
        if self.updates % c.target_every == 0:
            self.target.load_state_dict(self.net.state_dict())

    def learning_rate(self) -> float:
        """Constant over the first half of the run, then linear to its final value."""
        late = max(0.0, 2 * self.updates / self.total_updates - 1)
        return self.config.lr + min(late, 1.0) * (self.config.lr_final - self.config.lr)

    def _average(self, decay: float) -> None:
        assert self.mean is not None
        means, values = list(self.mean.parameters()), list(self.net.parameters())
        torch._foreach_lerp_(means, values, 1 - decay)

    @property
    def best(self) -> nn.Module:
        """The network to keep: the averaged one where there is one."""
        return self.net if self.mean is None else self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """Networks and optimiser as arrays."""
        nets = {"net": self.net, "target": self.target, "mean": self.mean}
        out = {
            f"{name}/{k}": v.cpu().numpy().copy()
            for name, net in nets.items()
            if net is not None
            for k, v in net.state_dict().items()
        }
        for i, slots in self.optimizer.state_dict()["state"].items():
            out |= {f"adam/{i}/{k}": v.cpu().numpy().copy() for k, v in slots.items()}
        return out

    def restore(self, arrays: dict[str, np.ndarray], updates: int) -> None:
        """Inverse of ``arrays``."""
        for name, net in (("net", self.net), ("target", self.target), ("mean", self.mean)):
            if net is not None:
                net.load_state_dict(_tensors(arrays, f"{name}/"))
        state = self.optimizer.state_dict()
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in _tensors(arrays, "adam/").items():
            index, slot = key.split("/")
            slots.setdefault(int(index), {})[slot] = value
        self.optimizer.load_state_dict({**state, "state": slots})
        self.updates = updates


@dataclass
class Actor:
    """Lanes of environments, their running episodes and what they have collected."""

    stepper: Stepper
    config: DQNConfig
    seed: int
    random: np.random.Generator
    replay: Replay
    obs: np.ndarray
    waiting: list[NStep]
    returns: list[float]
    lengths: list[int]
    episode: int = 0
    step: int = 0
    finished: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begin(cls, stepper: Stepper, config: DQNConfig, seed: int) -> "Actor":
        """Start an episode in every lane."""
        space, n = stepper.space, stepper.lanes
        starts = [Start(seed=training_seed(seed, i)) for i in range(n)]
        return cls(
            stepper,
            config,
            seed,
            np.random.default_rng([seed, 1]),
            Replay(config.memory, space.obs_shape, space.obs_dtype),
            stepper.start(starts),
            [NStep(config.n_step, config.gamma) for _ in range(n)],
            [0.0] * n,
            [0] * n,
            episode=n,
        )

    def epsilon(self) -> float:
        """Probability of a random action now."""
        c = self.config
        return c.epsilon_end + (c.epsilon_start - c.epsilon_end) * math.exp(
            -self.step / c.epsilon_tau
        )

    def act(self, net: nn.Module) -> np.ndarray:
        """Greedy actions, some replaced by random ones."""
        n = self.stepper.lanes
        explore = self.random.random(n) < self.epsilon()
        random = self.random.integers(len(self.stepper.space.actions), size=n)
        with torch.no_grad():
            device = next(net.parameters()).device
            greedy = net(torch.from_numpy(self.obs).to(device)).argmax(-1).cpu().numpy()
        return np.where(explore, random, greedy)

    def take(self, actions: np.ndarray, step: Any) -> None:
        """Store what came of the actions and start new episodes where one ended."""
        over = step.terminated | step.truncated
        starts: list[Start | None] = [None] * self.stepper.lanes
        for i in range(self.stepper.lanes):
            self.returns[i] += float(step.reward[i])
            self.lengths[i] += 1
            bootstrap = not step.terminated[i] and (
                self.config.truncation_bootstraps or not step.truncated[i]
            )
            self.waiting[i].add(
                self.replay,
                self.obs[i].copy(),
                int(actions[i]),
                float(step.reward[i]),
                step.obs[i].copy(),
                bootstrap,
                bool(over[i]),
            )
            if over[i]:
                self.finished.append(
                    {
                        "return": self.returns[i],
                        "length": self.lengths[i],
                        "outcome": "+".join(self.stepper.call(i, "outcome")),
                    }
                )
                self.returns[i], self.lengths[i] = 0.0, 0
                starts[i] = Start(seed=training_seed(self.seed, self.episode))
                self.episode += 1
        self.step += self.stepper.lanes
        self.obs = self.stepper.start(starts) if any(starts) else step.obs

    def arrays(self) -> dict[str, np.ndarray]:
        """Replay and rewards that wait, as arrays."""
        out = {f"replay/{k}": v[: self.replay.size] for k, v in self.replay.arrays.items()}
        for i, lane in enumerate(self.waiting):
            for j, (obs, action, reward) in enumerate(lane.pending):
                out[f"waiting/{i}/{j}/obs"] = obs
                out[f"waiting/{i}/{j}/rest"] = np.array([action, reward], np.float64)
        return out

    def values(self) -> dict[str, Any]:
        """Counters, random state and where every lane stands, as JSON values."""
        lanes = range(self.stepper.lanes)
        return {
            "episode": self.episode,
            "returns": self.returns,
            "lengths": self.lengths,
            "random": self.random.bit_generator.state,
            "position": self.replay.position,
            "size": self.replay.size,
            "lanes": [self.stepper.call(i, "snapshot").to_json() for i in lanes],
        }

    def restore(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Inverse of ``arrays`` and ``values``."""
        self.step, self.episode = values["step"], values["episode"]
        self.returns, self.lengths = list(values["returns"]), list(values["lengths"])
        self.random.bit_generator.state = values["random"]
        self.replay.position, self.replay.size = values["position"], values["size"]
        for k, array in self.replay.arrays.items():
            array[: self.replay.size] = arrays[f"replay/{k}"]
        for i, lane in enumerate(self.waiting):
            lane.pending = []
            while (key := f"waiting/{i}/{len(lane.pending)}") + "/obs" in arrays:
                action, reward = arrays[f"{key}/rest"]
                lane.pending.append((arrays[f"{key}/obs"], int(action), float(reward)))
        snapshots = [Snapshot.from_json(lane) for lane in values["lanes"]]
        self.obs = self.stepper.start([Start(snapshot=s) for s in snapshots])


def train(plan: Plan, resume: bool = False) -> Agent:
    """Train an agent; the run's folder is a loadable agent from its first second.

    Args:
        plan: what to train.
        resume: go on from the newest saved state of the folder.

    Returns:
        The trained agent, as saved.

    Raises:
        PolicyscopeError: the folder holds another run, or one and ``resume`` is not set.
    """
    _claim(plan, resume)
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    stepper = make(plan.env, plan.config.lanes, plan.workers)
    try:
        network = choose_network(stepper.space, plan.config)
        net = build_network(*network).to(plan.device)
        agent = Agent(net, network, "q", stepper.space, env=plan.env, card=_card(plan))
        agent.initial = {k: v.detach().clone() for k, v in net.state_dict().items()}
        learner = Learner(net, plan.config, plan.steps)
        actor = Actor.begin(stepper, plan.config, plan.seed)
        state = load_state(plan.out) if resume else None
        if state:
            learner.restore(state[0], state[1]["updates"])
            actor.restore(*state)
        else:
            save_agent(agent, plan.out)
        with CurveLog(plan.out, actor.step, plan.steps) as log:
            _loop(plan, learner, actor, log)
        agent.net = learner.best.eval()
        agent.card["steps"], agent.card["episodes"] = actor.step, actor.episode
        save_agent(agent, plan.out)
    finally:
        stepper.close()
    return agent


def advance(learner: Learner, actor: Actor) -> None:
    """One round: every lane acts once, and the learner makes the updates that fall due."""
    actions = actor.act(learner.net)
    actor.stepper.begin_step(list(actions))
    if actor.config.overlap:
        _learn(learner, actor)
    actor.take(actions, actor.stepper.finish_step())
    if not actor.config.overlap:
        _learn(learner, actor)


def _loop(plan: Plan, learner: Learner, actor: Actor, log: CurveLog) -> None:
    while actor.step < plan.steps:
        before = actor.step
        advance(learner, actor)
        for row in actor.finished:
            log.write(actor.step, {**row, "epsilon": actor.epsilon()})
        actor.finished.clear()
        if _crossed(before, actor.step, 500):
            log.write(actor.step, {"loss": learner.loss, "lr": learner.learning_rate()})
            log.advance(actor.step)
        for k in range(1, plan.checkpoints + 1):
            at = k * plan.steps // plan.checkpoints
            if before < at <= actor.step:
                path = plan.out / "checkpoints" / f"step_{at:07d}.safetensors"
                path.parent.mkdir(exist_ok=True)
                save_weights(path, learner.best.state_dict())
        if _crossed(before, actor.step, plan.save_every) or actor.step >= plan.steps:
            _save(plan, learner, actor)


def _learn(learner: Learner, actor: Actor) -> None:
    c = actor.config
    if actor.replay.size < max(c.learn_start, c.batch):
        return
    lanes = actor.stepper.lanes
    first = math.floor(actor.step * c.updates_per_step)
    last = math.floor((actor.step + lanes) * c.updates_per_step)
    for _ in range(last - first):
        learner.update(actor.replay.sample(c.batch, actor.random))


def _crossed(before: int, now: int, every: int) -> bool:
    return before // every != now // every


def _save(plan: Plan, learner: Learner, actor: Actor) -> None:
    values = {"updates": learner.updates, **actor.values()}
    save_state(plan.out, actor.step, {**learner.arrays(), **actor.arrays()}, values)
    save_weights(plan.out / "weights.safetensors", learner.best.state_dict())


def _claim(plan: Plan, resume: bool) -> None:
    values = {
        "schema": 1,
        "algorithm": "dqn",
        "env": plan.env.to_json(),
        "config": plan.config.to_json(),
        "steps": plan.steps,
        "seed": plan.seed,
        "checkpoints": plan.checkpoints,
    }
    path = plan.out / "run.json"
    if path.is_file():
        if not resume:
            raise PolicyscopeError(
                f"{plan.out} holds a run already; give --resume or another --out"
            )
        if json.loads(path.read_text()) != values:
            raise PolicyscopeError(
                f"{plan.out} was started with other settings (see run.json); resume with the same"
            )
        return
    plan.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n")


def _card(plan: Plan) -> dict[str, Any]:
    return {
        "algorithm": "dqn",
        "config": plan.config.to_json(),
        "seed": plan.seed,
        "steps": plan.steps,
        "provenance": provenance(plan.command, plan.seed),
    }


def _tensors(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    return {
        k.removeprefix(prefix): torch.from_numpy(v.copy())
        for k, v in arrays.items()
        if k.startswith(prefix)
    }
