"""Training speed: our DQN against the plain one-process recipe at equal updates per step.

Both sides step highway-env's stock engine and make one update of 64 transitions an environment
step. The peer is rl-agents' loop as line A's specification, section 2.2, writes it down.
Ours steps 16 environments in two processes and learns while they step.
"""

import random
import sys
import time
from copy import deepcopy

import numpy as np
import torch
from highway_env.envs.intersection_env import IntersectionEnv

from measure import report
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.envs.highway.config import configuration
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.training.dqn.config import PRESETS
from policyscope.training.dqn.train import Actor, Learner, advance
from policyscope.training.settings import configure

SECONDS = 20.0
REPEATS = 3


class PlainRecipe:
    """The recipe of rl-agents in one process, written as plainly as it reads."""

    def __init__(self) -> None:
        self.env = IntersectionEnv(config=configuration({}))
        self.net = EgoAttentionNetwork()
        self.target = deepcopy(self.net)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=5e-4)
        self.memory: list[tuple] = []
        self.steps = 0
        self.obs, _ = self.env.reset(seed=20_000)

    def step(self) -> bool:
        """One environment step and one update; whether an episode ended."""
        self.steps += 1  # 2.2: the epsilon schedule ticks first
        epsilon = 0.05 + 0.95 * np.exp(-self.steps / 15_000)
        if random.random() < epsilon:
            action = random.randrange(3)
        else:
            with torch.no_grad():
                action = int(self.net(torch.from_numpy(self.obs)[None]).argmax())
        obs, reward, terminated, truncated, _ = self.env.step(action)
        self.memory.append((self.obs, action, reward, obs, terminated))
        del self.memory[:-15_000]
        self.obs = obs
        if len(self.memory) >= 64:  # 2.2: one update a step once 64 are stored
            self.update()
        if terminated or truncated:
            self.obs, _ = self.env.reset(seed=20_000 + self.steps)
        return terminated or truncated

    def update(self) -> None:
        """One gradient step."""
        batch = random.sample(self.memory, 64)
        obs, action, reward, following, over = (
            torch.from_numpy(np.array(column)) for column in zip(*batch, strict=True)
        )
        with torch.no_grad():  # 2.2: double-Q target, 0.95, only termination ends it
            best = self.net(following).argmax(-1, keepdim=True)
            value = self.target(following).gather(1, best)[:, 0]
            goal = reward.float() + 0.95 * (~over) * value
        q = self.net(obs).gather(1, action[:, None])[:, 0]
        loss = torch.nn.functional.mse_loss(q, goal)
        self.optimizer.zero_grad()
        loss.backward()
        for parameter in self.net.parameters():  # 2.2: clamped element by element
            parameter.grad.clamp_(-1, 1)
        self.optimizer.step()
        if self.steps % 512 == 0:  # 2.2: hard copy
            self.target.load_state_dict(self.net.state_dict())


def main() -> None:
    """Alternate the two sides and print episodes per minute."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    config = configure(PRESETS, "paper", ["lanes=16", "overlap=true"])
    stepper = make(EnvSpec("highway/intersection", {"engine": "stock"}), config.lanes, workers=2)
    actor = Actor.begin(stepper, config, seed=0)
    learner = Learner(EgoAttentionNetwork(), config, steps=100_000)
    plain = PlainRecipe()
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(REPEATS):
        began, episodes, first = time.perf_counter(), 0, len(actor.finished)
        while time.perf_counter() - began < seconds:
            episodes += plain.step()
        rates["peer"].append(60 * episodes / (time.perf_counter() - began))
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            advance(learner, actor)
        finished = len(actor.finished) - first
        rates["ours"].append(60 * finished / (time.perf_counter() - began))
    stepper.close()
    report(
        name="dqn_episodes_per_minute",
        ours=float(np.median(rates["ours"])),
        peer=float(np.median(rates["peer"])),
        goal=1.6,
        better="higher",
        unit="episodes/min",
        n=REPEATS,
    )


if __name__ == "__main__":
    main()
