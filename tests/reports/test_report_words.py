"""Numbers and pictures of a report as they are read: signs, trifles, units, spread."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from policyscope.agents.store import load_agent
from policyscope.figures.decision_page import write_decision
from policyscope.recordings.record import record
from policyscope.reports.config import ReportConfig
from policyscope.reports.decision import report
from policyscope.reports.told import lines_of


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "rec"
    road = record(load_agent("highway-ego-attention"), None, 2, 3, [], folder)
    return report(road, 1, 3, ReportConfig(seeds=3, size=96))


def page_of(found, path):
    write_decision(found, path)
    return path.read_text(encoding="utf-8")


def with_shares(found, shares):
    """The report with other shares of its first entities."""
    table = found.blame.entities.head(len(shares)).reset_index(drop=True)
    table = table.assign(share=shares, effect=pd.Series(np.array(shares) / 2))
    return replace(found, blame=replace(found.blame, entities=table))


def test_bars_of_negative_values_go_the_other_way_from_nothing(found, tmp_path):
    numbers = replace(found.numbers, values=(2.0, -4.0, 0.0))
    page = page_of(replace(found, numbers=numbers), tmp_path / "a.html")
    part = re.search(r'id="numbers">.*?</section>', page)[0]
    assert 'style="left:50%;width:22.5%"' in part, "half as long as that of the largest"
    assert 'style="right:50%;width:45.0%"' in part
    assert 'class="for"' not in part, "a value speaks for nothing"
    whole = page_of(
        replace(found, numbers=replace(numbers, values=(1.0, 0.5, 0.0))), tmp_path / "b"
    )
    assert 'style="width:50.0%"' in re.search(r'id="numbers">.*?</section>', whole)[0]


def test_what_is_nothing_beside_the_largest_has_no_sign(found, tmp_path):
    page = page_of(with_shares(found, [5.0, -1e-8]), tmp_path / "page.html")
    part = re.search(r'id="attribution">.*?</section>', page)[0]
    assert part.count("<td>about 0</td>") == 2, "its share and its effect"
    assert "stroke:var(--for)" in part
    assert "stroke:var(--against)" not in part
    other = page_of(with_shares(found, [5.0, -0.5]), tmp_path / "other.html")
    assert "stroke:var(--against)" in other
    assert "about 0" not in re.search(r'id="attribution">.*?</section>', other)[0]


def test_values_without_an_entity_have_a_unit(found, tmp_path):
    page = page_of(found, tmp_path / "page.html")
    assert "<th>as it was, Q-value (return)</th><th>without it, Q-value (return)</th>" in page


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((2.44, 2.44, 2.44), "+2.44 without it, equal in all 3 pairs of futures"),
        ((2.44, 1.0, 3.5), "+2.44 without it [1.00, 3.50] over 3 pairs of futures"),
    ],
)
def test_a_mean_of_pairs_says_how_far_they_differ(found, ends, told):
    data = found.fork.data.assign(
        difference=found.fork.data["difference"].copy(data=np.array(ends))
    )
    other = replace(found, fork=replace(found.fork, data=data))
    assert dict(lines_of(other))["played on"] == f"return {told}"
