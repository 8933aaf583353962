"""The agent that comes with policyscope is what its card and the README say."""

import json
import re
from pathlib import Path

import pytest
import torch

import policyscope
from policyscope.agents.store import checkpoints, find_agent, load_agent
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all

NAME = "highway-ego-attention"
ROOT = Path(__file__).resolve().parents[1]
SHIPPED = Path(policyscope.__file__).parent / "shipped"
#: A path from the root of a disk, of a home or of a drive.
MACHINE_PATH = re.compile(r"(?:^|[\s=:'\"(])(?:~?/\w|[A-Za-z]:\\)")
ROWS = {NAME: None, "random": "random", "its own initial weights": "untrained"}
ROWS["constant:FASTER"] = "constant:FASTER"


@pytest.fixture(scope="module")
def agent():
    return load_agent(NAME)


def test_it_loads_by_name_with_four_heads(agent):
    assert agent.net.attention_layer.heads == 4
    assert sum(p.numel() for p in agent.net.parameters()) == 34_243
    assert agent.act(agent.example(2)).outputs["q"].shape == (2, 3)
    assert (agent.env.id, agent.acting) == ("highway/intersection", "greedy")


def test_initial_weights_and_checkpoints_load_and_differ(agent):
    kept = checkpoints(NAME)
    assert len(kept) >= 6
    final = agent.net.state_dict()
    found = [load_agent(NAME, weights=w).net.state_dict() for w in ("initial", *kept)]
    assert all(torch.isfinite(v).all() for weights in found for v in weights.values())
    biases = [weights["output_layer.predict.bias"] for weights in found]
    assert all(not torch.equal(a, b) for a, b in zip(biases, biases[1:], strict=False))
    assert all(torch.equal(found[0][k], v) for k, v in agent.initial.items())
    assert not torch.equal(biases[0], final["output_layer.predict.bias"])


def test_the_card_says_how_it_was_made(agent):
    card = agent.card
    provenance = card["provenance"]
    assert provenance["command"].startswith("policyscope train dqn ")
    assert f"--seed {card['seed']}" in provenance["command"]
    assert f"--steps {card['steps']}" in provenance["command"]
    assert set(provenance["packages"]) >= {"torch", "numpy", "highway-env", "gymnasium"}
    assert provenance["python"]
    assert agent.env.versions["highway-env"] == provenance["packages"]["highway-env"]
    assert card["evaluation"]["seeds"] == [0, card["evaluation"]["n"] - 1]


def texts(value) -> list[str]:
    if isinstance(value, dict):
        return [t for pair in value.items() for part in pair for t in texts(part)]
    if isinstance(value, list):
        return [t for part in value for t in texts(part)]
    return [value] if isinstance(value, str) else []


def machine_paths(folder: Path) -> list[str]:
    found = [t for p in sorted(folder.rglob("*.json")) for t in texts(json.loads(p.read_text()))]
    return [t for t in found if MACHINE_PATH.search(t)]


def test_no_shipped_file_names_a_path_of_a_machine(tmp_path):
    assert list(SHIPPED.rglob("*.json"))
    assert machine_paths(SHIPPED) == []
    planted = ["train --out /srv/runs", "C:\\runs", "~/runs", "--out=/data"]
    (tmp_path / "agent.json").write_text(json.dumps({"card": [*planted, "highway/intersection"]}))
    assert machine_paths(tmp_path) == planted


def table(readme: str) -> dict[str, list[str]]:
    """Cells of the README's table of results by policy."""
    lines = readme[readme.index("| policy | return |") :].splitlines()
    rows = [[c.strip().strip("*") for c in line.strip("| ").split("|")] for line in lines[:6]]
    return {row[0]: row[1:] for row in rows[2:]}


def cell(numbers: dict, key: str, signed: str = "") -> str:
    shown = [f"{numbers[k]:{signed}.2f}" for k in (key, "low", "high")]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def percent(outcome: dict) -> str:
    return "{:.1f} % [{:.1f}, {:.1f}]".format(*(100 * outcome[k] for k in ("rate", "low", "high")))


def expected(evaluation: dict) -> dict[str, list[str]]:
    rows = {}
    for shown, name in ROWS.items():
        policy = evaluation["baselines"][name] if name else evaluation["agent"]
        outcomes = [policy["outcomes"][o] for o in ("arrived", "crashed", "timed_out")]
        paired = evaluation["paired"][name]["difference"] if name else None
        rows[shown] = [cell(policy["return"], "mean"), *(percent(o) for o in outcomes)]
        rows[shown] += [cell(paired, "mean", "+")] if paired else []
    return rows


def test_the_readme_shows_the_numbers_of_the_card(agent):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    evaluation = agent.card["evaluation"]
    shown = {name: [c for c in cells if c] for name, cells in table(readme).items()}
    assert shown == expected(evaluation)
    evaluation = json.loads(json.dumps(evaluation))
    evaluation["agent"]["return"]["mean"] += 0.1
    assert shown != expected(evaluation)
    assert "34,243 parameters, 4 heads" in readme


def episodes(policy, env):
    return evaluate_all(Plan((policy,), env, 100, 0, cached=False))[policy.name]


def rate(outcomes, name: str) -> float:
    return float(outcomes.str.split("+").map(lambda parts: name in parts).mean())


@pytest.mark.slow  # 36 s: 100 episodes
def test_a_hundred_episodes_are_as_the_card_says(agent):
    found = episodes(agent_policy(agent), agent.env)
    card = agent.card["evaluation"]["agent"]
    for column, numbers in (("return", card["return"]), ("steps", card["length"])):
        # 100 of the card's 500 episodes: an interval wider by the root of 5.
        half = (numbers["high"] - numbers["low"]) / 2 * (card["n"] / len(found)) ** 0.5
        assert abs(found[column].mean() - numbers["mean"]) <= half
    assert rate(found["outcome"], "crashed") <= 0.2
    assert (found["seed"].min(), found["seed"].max()) == (0, 99)


@pytest.mark.slow  # 23 s: 100 episodes
def test_constant_faster_gives_the_known_figures(agent):
    found = episodes(baseline("constant:FASTER", agent), agent.env)
    assert found["return"].mean() == pytest.approx(4.568, abs=1e-3)
    assert rate(found["outcome"], "crashed") == pytest.approx(0.49)
    assert rate(found["outcome"], "arrived") == pytest.approx(0.52)
    assert found["steps"].mean() == pytest.approx(7.37)


def test_its_folder_holds_nothing_else():
    names = {p.relative_to(find_agent(NAME)).parts[0] for p in find_agent(NAME).rglob("*")}
    assert names == {"agent.json", "weights.safetensors", "initial.safetensors", "checkpoints"}
