"""What docs/procgen.md says, run and compared with the code."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.core.errors import UnknownName
from policyscope.core.registry import names
from policyscope.core.stats import wilson
from policyscope.envs.make import make_lane
from policyscope.envs.procgen.actions import ACTIONS
from policyscope.envs.procgen.options import DEFAULTS, MODES, NOT_OFFERED, require_mode
from policyscope.envs.procgen.outcomes import CAUSES
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

PAGE = (Path(__file__).resolve().parents[2] / "docs/procgen.md").read_text(encoding="utf-8")


def snippets(page):
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def run(page):
    space = {}
    for code in snippets(page):
        exec(compile(code, "docs/procgen.md", "exec"), space)
    return space


def section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title):
    """Cells of a section's first table, without its head."""
    table = section(title)[section(title).index("\n|") + 1 :].split("\n\n")[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


def test_the_snippets_run_one_after_the_other():
    assert len(snippets(PAGE)) >= 5
    space = run(PAGE)
    assert space["obs"].shape == (64, 64, 3)
    assert space["picture"].shape == (512, 512, 3)
    np.testing.assert_allclose(space["large"], 8 * space["small"])
    with pytest.raises(AssertionError):
        run(PAGE.replace("assert (first == again).all()", "assert (first != again).all()"))


def test_the_options_and_their_defaults_are_all_there():
    told = {quoted(name)[0]: quoted(default)[0] for name, default, _ in rows("Options")}
    plain = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in DEFAULTS.items()}
    assert told == plain


def test_the_outcomes_and_actions_are_all_there():
    told = {game: tuple(quoted(outcomes)) for game, outcomes in rows("Outcomes")}
    assert (told["CoinRun"], told["Maze"]) == (CAUSES["coinrun"], CAUSES["maze"])
    assert tuple(quoted(section("Actions").split("UP is")[0])) == ACTIONS


def test_every_game_and_mode_is_there():
    told = {}
    for games, more in rows("The other games"):
        told |= {game: {"easy", "hard", *quoted(more)} for game in quoted(games)}
    known = {n.removeprefix("procgen/") for n in names("environment") if n.startswith("procgen/")}
    assert set(told) == known
    for game, modes in told.items():
        for mode in MODES:
            if mode in modes:
                require_mode(game, mode)
            else:
                with pytest.raises(UnknownName):
                    require_mode(game, mode)


@pytest.mark.parametrize(
    ("game", "mode", "world", "visible"),
    [
        ("coinrun", "easy", 64, 13), ("coinrun", "hard", 64, 13), ("maze", "easy", 15, 15),
        ("maze", "hard", 25, 25), ("maze", "memory", 31, 8),
    ],
)  # fmt: skip
def test_worlds_and_pictures_have_the_stated_sizes(game, mode, world, visible):
    lane = make_lane(EnvSpec(f"procgen/{game}", {"mode": mode}))
    try:
        lane.start(Start(level=3))
        scene = lane.scene()
        assert (scene["width"], scene["visible"]) == (world, visible)
        assert f"{visible} x {visible}" in section("Entities")
    finally:
        lane.close()


def number(text):
    return int(text.replace(",", ""))


def test_the_table_of_outcomes_is_of_enough_episodes_and_its_intervals_fit():
    table = re.findall(r"^\| ((?:CoinRun|Maze) \w+, \w+) \| ([\d,]+) \|", PAGE, re.MULTILINE)
    counts = {what: number(n) for what, n in table}
    assert counts["CoinRun hard, agent"] >= 2000 <= counts["CoinRun hard, random"]
    text = " ".join(section("Outcomes").split())
    for words, n in (
        (r"all ([\d,]+) episodes: 0 %, 95 % Wilson interval", sum(counts.values())),
        (r"the ([\d,]+) random ones of CoinRun hard, with backgrounds:", 2000),
    ):
        told, top = re.search(words + r" 0 to ([\d.]+) %", text).groups()
        assert number(told) == n
        assert round(100 * wilson(0, n).high, len(top) - 2) == float(top)


def test_options_that_are_not_offered_are_named():
    assert {f"`{name}`" for name in NOT_OFFERED} <= set(re.findall("`[^`]+`", section("Options")))
