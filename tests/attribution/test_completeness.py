"""Completeness at default settings, over 512 decisions of each agent that comes along."""

import numpy as np
import pytest

from policyscope.agents.store import load_agent
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.recordings.record import record

pytestmark = pytest.mark.slow  # a minute or two each: recording and 512 paths

ASKED = [
    ("highway-ego-attention", 60, "q[FASTER]-q[SLOWER]", "preprocess"),
    ("coinrun-gru", 16, "value", "preprocess"),
    ("coinrun-gru", 16, "value", "embedder.block2.conv"),
    ("coinrun-clear", 16, "value", "2b.relu"),
]


def share_missed(result):
    data = result.data
    return float(np.abs(data["gap"]).mean() / np.abs(data["change"]).mean())


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "episodes", "target", "site"), ASKED)
def test_less_than_a_fiftieth_is_missed(tmp_path, name, episodes, target, site):
    if name.startswith("coinrun"):
        pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    recording = record(load_agent(name), None, episodes, 0, [], tmp_path / "rec")
    config = AttributionConfig(target=target, site=site, rows=512, trust=False, initialisations=0)
    result = attribute(recording, config)
    steps = result.data["steps"].values
    assert result.data.sizes["row"] == 512
    assert share_missed(result) <= 0.02
    assert result.passed, [str(check) for check in result.checks]
    assert steps.max() <= 256
    coarse = AttributionConfig(
        target=target, site=site, rows=512, rule="right", steps=10, trust=False, initialisations=0
    )
    assert share_missed(attribute(recording, coarse)) > 0.02  # what was published
