"""First weights under which every layer puts out numbers of mean 0 and variance 1."""

import numpy as np
import torch
from jaxtyping import Shaped
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.core.hooks import capture
from policyscope.envs.stepper import Stepper
from policyscope.training.starts import Starts

STEPS, KEPT_EVERY = 48, 12
LAYERS = (nn.Conv2d, nn.Linear)


def unit_variance(agent: Agent, obs: Shaped[np.ndarray, " N *obs"]) -> None:
    """Scale each convolution and dense layer, in the order in which they fire; heads stay.

    Each channel's mean goes into its bias, the spread of a whole layer into its weights. The
    agent's initial weights become these.

    Args:
        agent: changed in place.
        obs: observations to measure on.

    Cost: two forward passes of the observations for each layer.

    Reference: Mishkin & Matas 2016, "All you need is a good init".
    """
    modules, seen = agent.modules(), torch.from_numpy(obs).to(agent.device)

    def output(name: str) -> torch.Tensor:
        with torch.no_grad(), capture(modules, [name]) as values:
            agent.forward(seen, None)
        value: torch.Tensor = values[name]
        return value.float()

    for name in agent.sites():
        layer = modules[name]
        # exactly these: a head is a class of its own
        if not isinstance(layer, nn.Conv2d | nn.Linear) or type(layer) not in LAYERS:
            continue
        found = output(name)
        if layer.bias is not None:
            layer.bias.data -= found.mean([0, *range(2, found.dim())])
        spread = output(name).std()
        if spread > 0:
            for weights in layer.parameters():
                weights.data.div_(spread)
    agent.initial = {k: v.detach().clone() for k, v in agent.net.state_dict().items()}


def observations_of(stepper: Stepper, starts: Starts, seed: int) -> Shaped[np.ndarray, " N *obs"]:
    """What random play sees in the first steps of a run's episodes.

    Args:
        stepper: where; its episodes are over for the caller.
        starts: of the run.
        seed: of the actions.
    """
    random, count = np.random.default_rng([seed, 3]), len(stepper.space.actions)
    obs = stepper.start([starts.training(i) for i in range(stepper.lanes)])
    kept, running = [obs.copy()], np.ones(stepper.lanes, bool)
    for step in range(1, STEPS):
        answer = stepper.step(random.integers(0, count, stepper.lanes).tolist())
        running &= ~(answer.terminated | answer.truncated)
        if step % KEPT_EVERY == 0:
            kept.append(answer.obs[running].copy())
    return np.concatenate(kept)
