"""An agent whose memory stays for long, and a recording of it."""

from pathlib import Path

import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.core.registry import register
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.record import record

SEEN, KEPT = 4, 5


class Lingers(nn.Module):
    """A GRU whose memory begins away from zero and stays for long."""

    recurrent = True

    def __init__(self, seed: int = 0):
        super().__init__()
        self.cell = nn.GRUCell(SEEN, KEPT)
        self.read = nn.Linear(KEPT, 2)
        self.value = nn.Linear(KEPT, 1)
        torch.manual_seed(seed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1.5, 1.5)

    def initial_state(self, n):
        return self.read.weight.new_full((n, KEPT), 0.3)

    def forward(self, x, state):
        state = self.cell(x, state)
        return {"logits": self.read(state), "value": self.value(state)[:, 0]}, state


def lingering_recording(folder: Path) -> Recording:
    """Four episodes of it on CartPole."""
    register("network", "lingers", f"{__name__}:Lingers")
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    network = ("lingers", {"seed": 0})
    agent = Agent(build_network(*network), network, "categorical", make(spec).space, env=spec)
    record(agent, None, 4, 0, [], folder)
    return open_recording(folder)
