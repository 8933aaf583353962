"""First weights: what every layer puts out, and what is left alone."""

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.store import load_agent
from policyscope.core.hooks import capture
from policyscope.envs.make import make, parse_env
from policyscope.training.ppo import train as ppo
from policyscope.training.ppo.config import PRESETS
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.train import train
from policyscope.training.ppo.unit_variance import observations_of, unit_variance
from policyscope.training.settings import configure
from policyscope.training.starts import make_starts

TINY = ["widths=[4,4,4,4,4]", "network=clear_cnn", "lanes=8"]


@pytest.mark.parametrize("settings", [TINY, ["network=impala_gru", "widths=[4,4,4]", "lanes=8"]])
def test_every_layer_has_mean_0_and_variance_1_and_heads_stay(settings):
    config, spec = configure(PRESETS, "procgen", settings), parse_env("procgen/coinrun")
    stepper = make(spec, 8)
    agent = fresh_agent(stepper.space, spec, config, seed=0)
    obs = observations_of(stepper, make_starts(spec, 0, None), 0)
    assert obs.shape[1:] == (64, 64, 3)
    assert len(obs) > 24
    heads = {k: v.clone() for k, v in agent.net.state_dict().items() if k.startswith(("pi", "fc_"))}
    modules = agent.modules()
    layers = [n for n, m in modules.items() if type(m) in (nn.Conv2d, nn.Linear)]
    assert len(layers) > 5

    def spreads():
        with torch.no_grad(), capture(modules, layers) as seen:
            agent.forward(torch.from_numpy(obs), None)
        return np.array([[seen[n].mean().abs(), (seen[n].std() - 1).abs()] for n in layers])

    assert spreads()[:, 1].max() > 0.3  # as they were drawn
    unit_variance(agent, obs)
    assert spreads()[:, 0].max() < 1e-3
    assert spreads()[:, 1].max() < 0.05
    assert heads
    assert all(torch.equal(v, agent.net.state_dict()[k]) for k, v in heads.items())
    assert all(torch.equal(v, agent.initial[k]) for k, v in agent.net.state_dict().items())


def test_a_run_begins_so_and_goes_on_to_the_same_weights(tmp_path, plan, monkeypatch):
    settings = ["widths=[4,4,4]", "lanes=4", "horizon=16", "minibatches=2", "unit_variance=true"]

    def planned(name, settings=settings):
        return plan(tmp_path / name, settings=settings, steps=192, save_every=64)

    train(planned("a"))
    train(planned("plain", settings[:-1]))
    first, other = (load_agent(tmp_path / name).initial for name in ("a", "plain"))
    assert not torch.equal(first["embedder.fc.weight"], other["embedder.fc.weight"])
    assert torch.equal(first["fc_policy.weight"], other["fc_policy.weight"])
    advance, rounds = ppo.advance, []

    def interrupting(*given):
        rounds.append(1)
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return advance(*given)

    monkeypatch.setattr(ppo, "advance", interrupting)
    with pytest.raises(KeyboardInterrupt):
        train(planned("b"))
    train(planned("b"), resume=True)
    assert len(rounds) == 4
    a, b = (load_agent(tmp_path / name) for name in "ab")
    for one, two in ((a.initial, b.initial), (a.net.state_dict(), b.net.state_dict())):
        assert all(torch.equal(one[k], two[k]) for k in one)
