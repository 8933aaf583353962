"""Models of Stable-Baselines3 for images, and of sb3-contrib with memory."""

import pytest
import torch
from torch.nn.functional import conv2d, linear

from policyscope.agents.contract import CHECKS, gap
from policyscope.agents.importers.recognise import import_agent
from policyscope.agents.store import load_agent, save_agent


def nature(sb3, weights, start, channels=3, embedding=16, side=64):
    before = channels
    for place, (out, kernel) in {0: (32, 8), 2: (64, 4), 4: (64, 3)}.items():
        shape = (out, before, kernel, kernel)
        weights[f"{start}cnn.{place}.weight"] = torch.randn(shape) * (before * kernel**2) ** -0.5
        weights[f"{start}cnn.{place}.bias"] = torch.randn(out) / 5
        before = out
    sb3.dense(weights, f"{start}linear.0", embedding, 64 * ((side // 4 - 1) // 2 - 3) ** 2)
    return weights


def nature_forward(w, start, obs):
    x = obs.permute(0, 3, 1, 2) / 255.0
    for place, stride in ((0, 4), (2, 2), (4, 1)):
        name = f"{start}cnn.{place}"
        x = torch.relu(conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride))
    return torch.relu(
        linear(x.flatten(1), w[f"{start}linear.0.weight"], w[f"{start}linear.0.bias"])
    )


def test_image_policy_computes_what_the_library_computes(sb3, tmp_path, canary, lineages):
    weights = sb3.actor_critic(16, policy=(), value=())
    encoder = nature(sb3, {}, "")
    for start in ("", "pi_", "vf_"):
        weights |= {f"{start}features_extractor.{k}": v for k, v in encoder.items()}
    agent = import_agent(sb3.written(tmp_path, sb3.settings(canary, sb3.IMAGE, sb3.DONE), weights))
    obs = lineages.frames(4)
    hidden = nature_forward(encoder, "", obs)
    save_agent(agent, tmp_path / "agent")
    for who in (agent, load_agent(tmp_path / "agent")):
        with torch.no_grad():
            ours = who.act(obs.permute(0, 3, 1, 2)).outputs
        assert (ours["logits"] - sb3.forward(weights, hidden, ("action_net",))).abs().max() <= 1e-5
        value = sb3.forward(weights, hidden, ("value_net",))[:, 0]
        assert (ours["value"] - value).abs().max() <= 1e-5
        assert value.std() > 1e-3
    assert [s.kind for s in agent.sites().values()].count("ReLU") == 4


@pytest.mark.parametrize("scaled", [True, False])
def test_image_q_network_computes_what_the_library_computes(
    sb3, tmp_path, canary, lineages, scaled
):
    weights = nature(sb3, {}, "q_net.features_extractor.")
    sb3.dense(weights, "q_net.q_net.0", 2, 16)
    more = {"exploration_rate": 0.1, "policy_kwargs": {} if scaled else {"normalize_images": False}}
    agent = import_agent(
        sb3.written(tmp_path, sb3.settings(canary, sb3.IMAGE, sb3.DONE, **more), weights)
    )
    obs = lineages.frames(4)
    with torch.no_grad():
        hidden = nature_forward(
            weights, "q_net.features_extractor.", obs.float() * (1 if scaled else 255)
        )
        q = agent.act(obs.permute(0, 3, 1, 2)).outputs["q"]
    assert gap({"q": q}, {"q": sb3.forward(weights, hidden, ("q_net.q_net.0",))}) <= 1e-5


def recurrent(sb3, critic, features=4, memory=6):
    weights = sb3.actor_critic(memory)
    for start in ("lstm_actor", "lstm_critic")[: 1 + (critic == "lstm")]:
        made = torch.nn.LSTM(features, memory)
        weights |= {f"{start}.{k}": v.detach() * 2 for k, v in made.named_parameters()}
    if critic == "linear":
        sb3.dense(weights, "critic", memory, features)
    return weights


def lstm_forward(weights, start, x):
    theirs = torch.nn.LSTM(x.shape[-1], weights[f"{start}.weight_hh_l0"].shape[1])
    inside = {k.removeprefix(f"{start}."): v for k, v in weights.items() if k.startswith(start)}
    theirs.load_state_dict(inside)
    return theirs(x)[0]


@pytest.mark.parametrize("critic", ["lstm", "linear", "shared"])
def test_recurrent_policy_computes_what_the_library_computes(sb3, tmp_path, canary, critic):
    weights = recurrent(sb3, critic)
    agent = import_agent(
        sb3.written(tmp_path, sb3.settings(canary, sb3.SEEN, sb3.DONE, clip_range=0), weights)
    )
    x, first = torch.randn(9, 3, 4) * 2, torch.zeros(9, 3, dtype=torch.bool)
    hidden = lstm_forward(weights, "lstm_actor", x)
    seen = {"lstm": "lstm_critic", "shared": "lstm_actor"}.get(critic)
    before = lstm_forward(weights, seen, x) if seen else sb3.forward(weights, x, ("critic",))
    with torch.no_grad():
        ours, _ = agent.unroll(x, None, first)
    value = sb3.forward(weights, before, sb3.VALUE)[..., 0]
    theirs = {"logits": sb3.forward(weights, hidden, sb3.POLICY), "value": value}
    assert gap(ours, theirs) <= 1e-6
    assert agent.card["algorithm"] == "RecurrentPPO"


@pytest.mark.parametrize("critic", ["lstm", "linear", "shared"])
@pytest.mark.parametrize("check", CHECKS)
def test_imported_memory_holds_the_contract(sb3, tmp_path, canary, check, critic):
    path = sb3.written(tmp_path, sb3.settings(canary, sb3.SEEN, sb3.DONE), recurrent(sb3, critic))
    CHECKS[check](import_agent(path), torch.randn(7, 3, 4))


def test_gates_of_the_memory_are_sites(sb3, tmp_path, canary):
    path = sb3.written(tmp_path, sb3.settings(canary, sb3.SEEN, sb3.DONE), recurrent(sb3, "lstm"))
    sites = import_agent(path).sites()
    for gate in ("write", "forget", "output", "candidate", "cell", "squash", "hidden"):
        assert sites[f"lstm_actor.{gate}"].shape == sites[f"lstm_critic.{gate}"].shape == (6,)
