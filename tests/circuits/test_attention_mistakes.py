"""Known mistakes in reading attention: the right way passes its check, the wrong one fails it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from policyscope.circuits import checks
from policyscope.circuits.attention import analyse, explain
from policyscope.circuits.config import AttentionConfig
from policyscope.circuits.decisions import gather
from policyscope.circuits.heads import (
    attention_forward,
    attention_layer,
    embed_rows,
    exact_terms,
    head_terms,
    head_weights,
)

QUICK = AttentionConfig(resamples=100)


@pytest.fixture(scope="module")
def setting(planted, agents):
    """An agent with sharp attention, what it saw, and what its layers compute in float64."""
    agent = agents["random"](scale=2.0)
    recording = planted(agent, episodes=8)
    obs = torch.from_numpy(recording.columns["obs"])
    terms, layers = exact_terms(agent, obs)
    return agent, obs, terms, layers


def close(wrong, layers, part):
    return checks.gap(part, np.asarray(wrong), layers[part].numpy(), checks.FLOAT32).passed


def double(agent, obs):
    net = agent.with_weights(agent.net.state_dict()).net.double()
    return net, obs.double(), (obs[..., 0] < 0.5)


def test_heads_merged(setting):
    """Wq^T Wk of the whole layer is the sum of the heads' bilinear forms, and of no head's."""
    agent, obs, terms, layers = setting
    net, x, _ = double(agent, obs)
    layer = net.attention_layer
    rows = embed_rows(net, x)
    assert close(terms.scores, layers, "scores")
    with torch.no_grad():
        merged = layer.query_ego.weight.T @ layer.key_all.weight
        score = torch.einsum("nw,wu,nvu->nv", rows[:, 0], merged, rows)
        wrong = score[:, None].expand(-1, 4, -1) / math.sqrt(64)
        assert torch.allclose(head_weights(layer).qk().sum(0), merged)
    assert not close(wrong, layers, "scores")


def test_per_head_reshape(setting):
    """A 64 x 64 weight is no stack of d x d matrices, and its columns are not the query's heads."""
    agent, obs, _, layers = setting
    net, x, absent = double(agent, obs)
    layer = net.attention_layer
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        layer.query_ego.weight.view(4, 16, 16)
    right = head_weights(layer)
    columns = layer.query_ego.weight.view(64, 4, 16).permute(1, 2, 0)
    wrong = replace(right, query=columns)
    rows = embed_rows(net, x)
    with torch.no_grad():
        assert close(head_terms(right, rows, absent).scores, layers, "scores")
        assert not close(head_terms(wrong, rows, absent).scores, layers, "scores")
        by_rows = layer.attention_combine.weight.view(4, 16, 64).transpose(1, 2)
        wrong = replace(right, combine=by_rows)
        assert close(head_terms(right, rows, absent).residual, layers, "residual")
        assert not close(head_terms(wrong, rows, absent).residual, layers, "residual")


def test_softmax_over_weight_space(setting):
    """The softmax runs over the entities of one scene, not over rows of a weight product."""
    agent, obs, terms, layers = setting
    net, x, absent = double(agent, obs)
    rows = embed_rows(net, x)
    with torch.no_grad():
        table = head_weights(net.attention_layer).qk().softmax(-1)
        scores = torch.einsum("nw,kwu,nvu->nkv", rows[:, 0], table, rows)
        scores = scores.masked_fill(absent[:, None], 0)
        wrong = scores / scores.sum(-1, keepdim=True)
    assert close(terms.pattern, layers, "pattern")
    assert not close(wrong, layers, "pattern")


def test_missing_root_of_the_head_width(setting):
    _, _, terms, layers = setting
    assert not close(terms.scores * math.sqrt(16), layers, "scores")
    assert not close(terms.scores * math.sqrt(16) / math.sqrt(64), layers, "scores")


def test_missing_residual_or_half(setting):
    agent, obs, terms, layers = setting
    net, x, _ = double(agent, obs)
    ego = embed_rows(net, x)[:, 0]
    heads = terms.written.sum(1)
    assert close((heads + ego).detach() / 2, layers, "residual")
    for wrong in (heads / 2, heads, heads + ego, ego / 2, heads / 2 + ego):
        assert not close(wrong.detach(), layers, "residual")


def test_attention_of_the_wrong_state(planted, agents):
    """Attention taken after the step belongs to the next decision."""
    agent = agents["random"](scale=2.0)
    recording = planted(agent, episodes=8)
    pattern = attention_forward(agent, torch.from_numpy(recording.columns["obs"]))["pattern"]
    site = "attention_layer.pattern"
    recording.sites[site] = (4, 1, 15)
    recording.columns[f"sites/{site}"] = pattern.numpy()[:, :, None]
    name = "recorded attention is that of the recorded observation"
    assert by_name(explain(recording, QUICK), name).passed
    recording.columns[f"sites/{site}"] = np.roll(pattern.numpy()[:, :, None], -1, axis=0)
    late = explain(recording, QUICK)
    assert not by_name(late, name).passed
    assert not late.passed


def by_name(result, name):
    return next(c for c in result.checks if c.name == name)


def test_rows_read_as_identities(planted, agents):
    """Vehicle 3 of one step is not row 3 of the next: rows are shuffled at every step."""
    recording = planted(agents["random"](), episodes=8)
    decisions = gather(recording, [], 3.0)
    seen = decisions.obs[..., [1, 2]]
    assert checks.row_positions(decisions.position, seen).passed
    rolled = np.roll(decisions.position[:, 1:], 1, axis=1)
    wrong = np.concatenate([decisions.position[:, :1], rolled], axis=1)
    assert not checks.row_positions(wrong, seen).passed
    speed = np.where(decisions.others, decisions.relations["distance"], np.nan)
    followed = np.abs(speed - decisions.before(speed))
    by_row = np.full(speed.shape, np.nan)
    by_row[1:] = np.abs(np.diff(speed, axis=0))
    by_row[~decisions.follows] = np.nan
    assert np.nanmax(followed) < 45
    assert np.nanmedian(by_row) > 3 * np.nanmedian(followed)


def test_pre_and_post_activation(setting):
    """Embeddings before their last ReLU give other scores."""
    agent, obs, _, layers = setting
    net, x, absent = double(agent, obs)
    with torch.no_grad():
        embeddings = ((net.ego_embedding, x[:, :1]), (net.others_embedding, x[:, 1:]))
        before = torch.cat(
            [e.layers[1](e.relus[0](e.layers[0](rows))) for e, rows in embeddings], dim=1
        )
        weights = head_weights(net.attention_layer)
        after = embed_rows(net, x)
        assert torch.equal(after, before.clamp(min=0))
        assert close(head_terms(weights, after, absent).scores, layers, "scores")
        assert not close(head_terms(weights, before, absent).scores, layers, "scores")


def test_activation_attention_that_ignores_the_mask(planted, agents):
    """Absent rows have an embedding too, of their biases; without the mask they draw attention."""
    agent = agents["random"](scale=2.0)
    decisions = gather(planted(agent, episodes=8), [], 3.0)
    net, x, absent = double(agent, torch.from_numpy(decisions.obs))
    weights, shown = head_weights(net.attention_layer), decisions.identity >= 0
    with torch.no_grad():
        right = head_terms(weights, embed_rows(net, x), absent).pattern
        wrong = head_terms(weights, embed_rows(net, x), torch.zeros_like(absent)).pattern
    assert checks.absent_mass(right.numpy(), shown).passed
    failed = checks.absent_mass(wrong.numpy(), shown)
    assert not failed.passed
    assert failed.value > 0.1
    sites = {"attention_layer.pattern": wrong.numpy()[:, :, None].astype(np.float32)}
    result = analyse(replace(decisions, sites=sites), agent, "attention_layer", QUICK)
    assert not by_name(result, "attention on absent rows").passed


def test_untrained_control_is_another_random_init(planted, agents):
    """The control is the run's own initial weights on the same observations, nothing else."""
    agent = agents["random"](scale=2.0)
    recording = planted(agent, episodes=8)
    obs = torch.from_numpy(recording.columns["obs"])
    shown = explain(recording, QUICK).data["attention"].sel(weights="initial").values
    own = attention_forward(agent.with_weights(agent.initial), obs)["pattern"].numpy()
    assert np.array_equal(shown, own)
    other = agents["random"](seed=7)
    fresh = attention_forward(agent.with_weights(other.initial), obs)["pattern"].numpy()
    assert np.abs(fresh - own).max() > 1e-3
    agent.initial = other.initial
    swapped = explain(recording, QUICK).data["attention"].sel(weights="initial").values
    assert not np.array_equal(swapped, own), "the control must follow agent.initial"


def test_explaining_leaves_the_agent_as_it_was(planted, agents):
    agent = agents["random"](scale=2.0)
    before = {k: v.clone() for k, v in agent.net.state_dict().items()}
    explain(planted(agent, episodes=6), QUICK)
    assert agent.net.state_dict().keys() == before.keys()
    assert all(torch.equal(v, before[k]) for k, v in agent.net.state_dict().items())
    assert next(agent.net.parameters()).dtype == torch.float32
    assert not any(m._forward_hooks for m in agent.net.modules())
    assert attention_layer(agent)[0] == "attention_layer"
