"""The trust line of attribution through time: what is right scores well, what is wrong does not."""

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.attribution.asking.windows import Windows, over_time, parts_of, windowed_score
from policyscope.attribution.methods.paths import integrated_gradients
from policyscope.attribution.through_time import through_time
from policyscope.attribution.time_config import TimeConfig
from policyscope.attribution.trust.over_time import time_trust_line
from policyscope.cli.main import main
from policyscope.core.registry import register
from policyscope.core.target_parser import parse_target
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record

SEEN, PAST = 4, 5
VALUE = parse_target("value")


class Adds(nn.Module):
    """Its value is a weighted sum of all that it saw: what each step brought is known."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.weigh = nn.Linear(SEEN, 1, bias=False)
        self.read = nn.Linear(1, 2)

    def initial_state(self, n):
        return self.read.weight.new_zeros((n, 1))

    def forward(self, x, state):
        state = state + self.weigh(x)
        return {"logits": self.read(state), "value": state[:, 0]}, state


@pytest.fixture(scope="module")
def adder():
    register("network", "adds", f"{__name__}:Adds")
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    torch.manual_seed(0)
    network = ("adds", {})
    return Agent(build_network(*network), network, "categorical", make(spec).space, env=spec)


@pytest.fixture(scope="module")
def windows():
    generator = torch.Generator().manual_seed(1)
    obs = torch.randn((6, PAST, SEEN), generator=generator)
    return Windows(
        obs, torch.randn((6, 1), generator=generator), torch.zeros((6, PAST), dtype=bool)
    )


def figures(agent, windows, values_of):
    rest = windowed_score(agent, VALUE, windows)
    start = torch.zeros_like(rest.activation)
    line = time_trust_line(agent, rest, start, values_of, np.arange(6))
    return {figure.name: figure for figure in line}


def shares(agent, windows):
    """By integrated gradients: each observation, the oldest first, then the memory."""
    rest = windowed_score(agent, VALUE, windows)
    found = over_time(rest, integrated_gradients(rest).values)
    return torch.cat([found["observation"], found["memory"][:, None]], 1)


def test_the_parts_are_the_observations_and_the_memory(adder, windows):
    rest = windowed_score(adder, VALUE, windows)
    parts = parts_of(rest)
    assert parts.names == ("4 steps ago", *(f"{k} steps ago" for k in (3, 2, 1, 0)), "memory")
    assert parts.sizes().tolist() == [SEEN] * PAST + [1]
    with torch.no_grad():
        known = torch.cat([adder.net.weigh(windows.obs)[..., 0], windows.state], 1)
    torch.testing.assert_close(shares(adder, windows), known)


def test_what_is_known_to_be_right_is_faithful(adder, windows):
    found = figures(adder, windows, lambda agent: shares(agent, windows))
    assert found["infidelity"].mean == pytest.approx(0, abs=1e-8)
    assert found["deletion"].low > 0.2
    assert found["insertion"].low > 0.2
    assert all(figure.n == 6 for figure in found.values())


def test_values_of_the_wrong_step_are_not(adder, windows):
    right = figures(adder, windows, lambda agent: shares(agent, windows))
    late = figures(adder, windows, lambda agent: shares(agent, windows).roll(1, 1))
    turned = figures(adder, windows, lambda agent: -shares(agent, windows))
    assert late["infidelity"].mean > 0.3
    assert late["deletion"].mean < right["deletion"].mean / 2
    assert turned["infidelity"].mean == pytest.approx(1)  # no scale from 0 on makes it better
    assert turned["deletion"].high < -0.2
    assert turned["insertion"].high < -0.2


def test_what_does_not_hang_on_the_weights_is_told(adder, windows):
    same = figures(adder, windows, lambda agent: windows.obs.norm(dim=2).abs() @ torch.eye(5, 6))
    own = figures(adder, windows, lambda agent: shares(agent, windows))
    assert same["untrained"].mean == pytest.approx(1)
    assert own["untrained"].mean < 0.9


def test_the_method_has_its_trust_line_and_can_be_asked_without(adder, tmp_path, capsys):
    record(adder, None, 3, 0, [], tmp_path / "rec")
    recording = open_recording(tmp_path / "rec")
    config = TimeConfig(target="value", past=4, rows=12)
    line = {one["name"]: one for one in through_time(recording, config).data.attrs["trust"]}
    assert list(line) == ["deletion", "insertion", "infidelity", "untrained"]
    counts = [one["n"] for one in line.values()]  # where nothing moves a target there is no figure
    assert max(counts) == 8 < config.rows
    assert min(counts) >= 6
    assert line["infidelity"]["mean"] == pytest.approx(0, abs=1e-6)
    assert line["deletion"]["low"] is not None
    without = TimeConfig(target="value", past=4, rows=12, trust=False)
    assert through_time(recording, without).data.attrs["trust"] == []
    asked = ["--method", "through_time", "--target", "value", "--through_time.past", "4"]
    out = tmp_path / "found"
    assert main(["explain", f"{recording.path}:0", *asked, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "infidelity (n=" in told
    assert "value (one episode)" in " ".join(told.split())
    assert "infidelity" in (out / "figure.html").read_text(encoding="utf-8")
