"""Why not another action: the table is Python's, and its changes can be set live and played on."""

import re

import pytest
from playwright.sync_api import expect

from policyscope.panel.export import export_page
from policyscope.recordings.replays.fork import ForkConfig, fork
from policyscope.recordings.replays.why_not import why_not

EPISODE = 2
PLACE = f"#/recordings/rec/episodes/{EPISODE}"


@pytest.fixture(scope="module")
def asked(rec):
    """A step, an action that a change of one entity makes the agent prefer, and the result."""
    for step in range(3, 8):
        for action in rec.space.actions:
            result = why_not(rec, EPISODE, step, action)
            margins = result.data["margin"].values
            if result.data.attrs["margin"] <= 0 and margins[0] > 1e-3 and margins[-1] < 0:
                return step, action, result.data
    raise AssertionError("no change of one entity makes the agent of these episodes act otherwise")


def answered(page):
    expect(page.locator("[data-verdict]")).to_be_visible(timeout=60_000)


def test_the_table_is_that_of_python_and_marks_whom_it_is_about(visitor, asked):
    step, action, data = asked
    page = visitor.goto(f"{PLACE}?step={step}")
    page.get_by_role("button", name="Why not").click()
    expect(page.locator(".why")).to_contain_text("Choose an action")
    page.get_by_label("action", exact=True).select_option(action)
    answered(page)
    margins = page.locator("[data-margin]").evaluate_all("n => n.map(n => +n.dataset.margin)")
    assert margins == data["margin"].values.tolist()
    enough = int((data["margin"].values > 0).sum())
    assert page.locator("tr.enough").count() == enough
    verdict = page.locator("[data-verdict]")
    assert float(verdict.get_attribute("data-verdict")) == data.attrs["margin"]
    expect(verdict).to_contain_text(f"{enough} change")
    row = page.locator("tr[data-change]").first
    row.hover()
    identity = int(data["identity"].values[0])
    expect(page.locator(f'.actor[data-identity="{identity}"]')).to_have_class(re.compile("lit"))
    page.mouse.move(5, 5)
    expect(page.locator(".actor.lit")).to_have_count(0)
    assert f"why={list(('SLOWER', 'IDLE', 'FASTER')).index(action)}" in visitor.place()


def test_a_change_is_set_live_where_the_agent_takes_the_action(visitor, asked):
    step, action, data = asked
    index = ["SLOWER", "IDLE", "FASTER"].index(action)
    page = visitor.goto(f"{PLACE}?step={step}&tab=why&why={index}")
    answered(page)
    page.locator("tr[data-change] td button").first.click()
    expect(page.locator(".live .flips")).to_have_text(action, timeout=20_000)
    identity = int(data["identity"].values[0])
    expect(page.locator(".live [aria-label='changes of the scene'] li")).to_contain_text(
        f"vehicle {identity}" if identity else "the ego"
    )
    page.get_by_role("button", name="Why not").click()
    expect(page.locator("[data-verdict]")).to_be_visible(timeout=1_000)  # it is not asked again
    assert "scene=" not in visitor.place()


def test_a_change_is_played_on(visitor, rec, asked):
    step, action, data = asked
    index = ["SLOWER", "IDLE", "FASTER"].index(action)
    page = visitor.goto(f"{PLACE}?step={step}&tab=why&why={index}")
    answered(page)
    page.get_by_role("button", name="play on").first.click()
    expect(page.locator("[data-difference]")).to_be_visible(timeout=60_000)
    told = fork(rec, EPISODE, step, [_edit(data)], ForkConfig(seeds=1)).data
    assert int(told["diverges"].values[0]) == step  # the agent acts otherwise at once
    returns = page.locator("[data-return]").evaluate_all("n => n.map(n => +n.dataset.return)")
    assert returns == told["return"].values[:, 0].tolist()


def test_there_is_none_where_scenes_cannot_be_changed_or_nobody_can_be_asked(
    visitor, visitors, rec, tmp_path
):
    page = visitor.goto("#/recordings/cartpole/episodes/0")
    expect(page.get_by_role("button", name="Notes")).to_be_visible()
    assert page.get_by_role("button", name="Why not").count() == 0
    path = export_page(rec.path, tmp_path / "page.html", [EPISODE]).path
    exported = visitors(path.as_uri()).goto(f"{PLACE}?tab=why&why=1")
    expect(exported.get_by_text("The agent cannot be asked here.")).to_be_visible()


def _edit(data):
    from policyscope.envs.scene import SceneEdit

    one = data.isel(change=0)
    values = {name: float(one[name]) for name in ("x", "y")} if one["kind"] == "move" else {}
    return SceneEdit(str(one["kind"].values), int(one["identity"]), values)
