"""Players of Shapley values in an attribution of a recording: tables, trust line, baseline."""

import numpy as np
import pytest

from policyscope.agents.store import load_agent
from policyscope.attribution.asking.chosen import choose
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results.entities import by_kind
from policyscope.attribution.results.summary import attribution_report
from policyscope.core.errors import PolicyscopeError
from policyscope.recordings.record import record

from .test_ground_truth import Summing, recorded


@pytest.fixture(scope="module")
def summing(tmp_path_factory):
    return recorded(Summing, tmp_path_factory.mktemp("summing"))


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coinrun") / "rec"
    return record(load_agent("coinrun-gru"), None, 1, 8, [], folder)


def config(players, **more):
    return AttributionConfig(
        method="shapley", players=players, target="q[FASTER]", initialisations=0, **more
    )


def test_a_vehicles_features_stand_alone_in_the_table(summing):
    chosen = choose(summing, summing.agent)
    at = int(np.flatnonzero(chosen.identity[:, 1] > 0)[0])
    where = int(chosen.episode[at]), int(chosen.step[at])
    result = attribute(summing, config("features:1"), *where)
    report = attribution_report(result)
    assert {line["who"] for line in report["features"]} == {"others"}
    assert [line["identity"] for line in report["entities"]] == [
        int(result.data["identity"].values[0, 1])
    ]
    assert report["entity_value"] == "sum over its row"
    assert "in row 1 of the observation, all else as recorded" in report["compared"]
    assert {line["name"] for line in report["trust"]} >= {"deletion", "infidelity"}
    assert "removal" not in {line["name"] for line in report["trust"]}
    foretold = next(line for line in report["trust"] if line["name"] == "infidelity")
    assert foretold["mean"] == pytest.approx(0, abs=1e-6)  # of a sum: sets add up exactly
    np.testing.assert_allclose(result.data["gap"], 0, atol=1e-5)


def test_entities_have_tables_and_a_trust_line(summing):
    result = attribute(summing, config("entities"), 1)
    report = attribution_report(result)
    removal = next(line for line in report["trust"] if line["name"] == "removal")
    assert removal["mean"] == pytest.approx(1)
    told = next(line for line in report["trust"] if line["name"] == "deletion")
    assert told["n"] == 0
    assert told["reading"].startswith("not measured: ")
    assert report["compared"] == "compared with: the scene without the entities in sight"
    assert all(line["kind"] in ("vehicle", "ego") for line in report["entities"])
    assert report["entity_value"] == "its Shapley value"
    assert report["kind_value"] == "sum of the Shapley values of a kind"


def test_entities_of_frames_have_lines_by_kind(coinrun):
    own = AttributionConfig(method="shapley", players="entities", target="value")
    result = attribute(coinrun, own, int(coinrun.episodes["episode"].iloc[0]), 4)
    lines = {line["kind"]: line["signed"] for line in by_kind(result)}
    assert abs(lines["wall"]) < 1e-4
    assert sum(lines.values()) == pytest.approx(float(result.data["change"][0]), abs=1e-3)
    assert "map" in result.data


def test_a_target_may_compare_with_the_recorded_decision_and_read_a_site(coinrun):
    first = int(coinrun.episodes["episode"].iloc[0])

    def change(target):
        own = AttributionConfig(
            method="shapley", players="entities", target=target, trust=False, initialisations=0
        )
        return float(attribute(coinrun, own, first, 4).data["change"][0])

    apart = change("same[value]"), change("site[embedder.relufc][3]")
    mixed = change("same[value]+0.5*site[embedder.relufc][3]")
    assert min(map(abs, apart)) > 1e-4
    assert mixed == pytest.approx(apart[0] + 0.5 * apart[1], abs=1e-5)


@pytest.mark.parametrize("players", ["features:1", "entities"])
def test_players_belong_to_shapley_values(summing, players):
    with pytest.raises(PolicyscopeError, match="those of --method shapley, not of occlusion"):
        attribute(summing, AttributionConfig(method="occlusion", players=players), 1, 2)
