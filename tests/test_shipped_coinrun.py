"""The CoinRun agents that come along are what their cards and the README say."""

from pathlib import Path

import pytest
import torch

from policyscope.agents.store import checkpoints, find_agent, load_agent, shipped_agents
from policyscope.rollouts.baselines import agent_policy
from policyscope.training.kept_curve import kept

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.rollouts.evaluate import Plan, evaluate_all

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(name for name in shipped_agents() if name.startswith("coinrun"))
MOST_BYTES = 5_000_000


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def agent(name):
    return load_agent(name)


def chain(card):
    """The card, that of the agent it went on from, and so on."""
    while card:
        yield card
        card = card.get("start", {}).get("card")


def test_the_recurrent_agent_is_there():
    assert "coinrun-gru" in NAMES


def test_weights_are_small_and_come_with_first_ones_and_three_checkpoints(agent, name):
    folder = find_agent(name)
    assert all(p.stat().st_size <= MOST_BYTES for p in folder.rglob("*.safetensors"))
    kept = checkpoints(name)
    assert len(kept) >= 3
    found = [load_agent(name, weights=w).net.state_dict() for w in ("initial", *kept)]
    actions = len(agent.space.actions)
    heads = [next(v for v in w.values() if v.shape[0] == actions) for w in found]
    assert all(not torch.equal(a, b) for a, b in zip(heads, heads[1:], strict=False))
    assert {p.relative_to(folder).parts[0] for p in folder.rglob("*")} == {
        "agent.json", "weights.safetensors", "initial.safetensors", "checkpoints", "curve.json",
    }  # fmt: skip


def test_the_curves_of_all_its_runs_come_along(agent, name):
    curves = kept(find_agent(name) / "curve.json")
    cards = list(chain(agent.card))[::-1]
    assert len(curves) == len(cards)
    for curve, card in zip(curves, cards, strict=True):
        assert curve.step[-1] > 0.9 * card["steps"]  # and further than the weights gone on with
        assert len(curve.step) == len(curve.mean) >= 20
        assert len(curve.looks) >= 2
    assert curves[-1].step[-1] <= cards[-1]["steps"]
    episodes = card["episodes"]
    assert curves[-1].episodes.sum() == pytest.approx(episodes, rel=0.01)
    assert curves[-1].mean[-5:].mean() == pytest.approx(
        agent.card["evaluation"]["agent"]["return"]["mean"], abs=0.5
    )


def test_the_card_says_how_it_was_made_and_who_taught_it(agent):
    cards = list(chain(agent.card))
    for card in cards:
        command = card["provenance"]["command"]
        assert command.startswith("policyscope train ppo ")
        assert f"--seed {card['seed']}" in command
        assert card["provenance"]["packages"]["torch"]
    assert any("teacher" in card for card in cards)
    assert {c["teacher"]["lineage"].split(",")[0] for c in cards if "teacher" in c} == {
        "rl_clarity"
    }


def test_the_card_tells_how_good_it_is_beside_random_and_constant(agent):
    evaluation = agent.card["evaluation"]
    assert (evaluation["n"], evaluation["seeds"]) == (1000, [0, 999])
    assert {"random", "constant:RIGHT"} <= set(evaluation["baselines"])
    assert evaluation["paired"]["random"]["difference"]["low"] > 0
    rates = {k: v["rate"] for k, v in evaluation["agent"]["outcomes"].items()}
    assert rates["coin"] * 10 == pytest.approx(evaluation["agent"]["return"]["mean"])
    assert rates.get("unknown", 0) < 0.01


def test_the_recurrent_agents_memory_was_put_to_the_test():
    agent = load_agent("coinrun-gru")
    plain = [c for c in [agent.card] if "teacher" not in c]
    assert plain
    assert plain[0]["steps"] >= 1_000_000
    assert agent.env.options["use_backgrounds"] is False
    assert "memoryless" in agent.card["evaluation"]["paired"]
    memory = agent.card["memory"]
    assert memory["passed"]
    assert memory["reset"]["kl"]["low"] > 0
    assert set(memory["velocity"]) == {"memory", "frame", "difference"}
    assert memory["n"]["episodes"] >= 200


def cell(numbers, signed="", digits=2):
    shown = [f"{numbers[k]:{signed}.{digits}f}" for k in ("mean", "low", "high")]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def test_the_readme_shows_the_numbers_of_the_card(agent, name):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    evaluation = agent.card["evaluation"]
    rows = [f"| **{name}** | {cell(evaluation['agent']['return'])} |"]
    for baseline, values in evaluation["baselines"].items():
        paired = cell(evaluation["paired"][baseline]["difference"], "+")
        rows.append(f"| {baseline} | {cell(values['return'])} | {paired} |")
    missing = [row for row in rows if row not in readme]
    assert missing == []
    assert f"| **{name}** | {cell({'mean': 1, 'low': 1, 'high': 1})} |" not in readme


@pytest.mark.slow  # 10 to 30 s: 100 levels
def test_a_hundred_levels_are_as_the_card_says(agent):
    plan = Plan((agent_policy(agent),), agent.env, 100, 0, cached=False)
    found = evaluate_all(plan)["agent"]
    card = agent.card["evaluation"]["agent"]["return"]
    half = (card["high"] - card["low"]) / 2 * 10**0.5  # a tenth of the card's levels
    assert abs(found["return"].mean() - card["mean"]) <= half
