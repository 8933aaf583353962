from html.parser import HTMLParser

import pytest

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.show import agent_html, facts, module_rows
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space


@pytest.fixture
def agent():
    space = Space((15, 7), "float32", (), ("presence", "x"), ("SLOWER", "IDLE", "FASTER"))
    net = build_network("ego_attention", {})
    env = EnvSpec("highway/intersection", {"duration": 9})
    card = {"note": "<script>alert(1)</script>", "evaluation": {"return": 4.56789123, "n": 100}}
    return Agent(net, ("ego_attention", {}), "q", space, env=env, card=card)


def test_rows_count_parameters_and_give_site_shapes(agent):
    rows = {row.name: row for row in module_rows(agent)}
    assert rows[""].parameters == 34_243
    assert rows["attention_layer"].parameters == 4 * 64 * 64
    assert rows["attention_layer"].shape is None
    assert rows["attention_layer.pattern"].shape == (4, 1, 15)
    assert rows["attention_layer.pattern"].depth == 2
    assert {n for n, r in rows.items() if r.shape is not None} == set(agent.sites())


def test_facts_say_what_it_sees_does_and_was_made_for(agent):
    told = facts(agent)
    assert told["parameters"] == "34,243"
    assert told["actions"] == "SLOWER, IDLE, FASTER"
    assert told["observation"].startswith("15 x 7 float32")
    assert "duration" in told["environment"]
    assert told["initial weights"] == "unknown"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_whole_escaped_and_needs_nothing_from_outside(agent):
    text = agent._repr_html_()
    assert text == agent_html(agent)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert "script" not in tags.seen
    assert tags.links == []
    assert "&lt;script&gt;" in text
    assert "attention_layer.pattern" in text
    assert "4 x 1 x 15" in text
    assert len(text) < 20_000
