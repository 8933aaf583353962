"""Neuron traces by identity."""

import numpy as np
import pytest
import torch

from policyscope.circuits.traces import by_identity, centre, stage, traces, vehicle_axis
from policyscope.core.errors import UnknownName
from policyscope.recordings.record import record


@pytest.fixture(scope="module")
def recording(agents, tmp_path_factory):
    from policyscope.envs.spec import EnvSpec

    agent = agents["random"](scale=2.0)
    agent.env = EnvSpec("highway/intersection")
    sites = ["attention_layer.*", "output_layer.relus.1"]
    return record(agent, episodes=2, sites=sites, out=tmp_path_factory.mktemp("traces") / "rec")


def shuffled(steps=12, rows=6, vehicles=4):
    """Activations that equal the identity of the vehicle they belong to."""
    rng = np.random.default_rng(0)
    identity = np.full((steps, rows), -1)
    identity[:, 0] = 0
    for t in range(steps):
        places = rng.permutation(np.arange(1, rows))[:vehicles]
        identity[t, places] = np.arange(1, vehicles + 1)
    values = np.repeat(identity[:, 1:, None], 3, axis=2).astype(float)
    return values, identity


def test_row_1_traces():
    """Row 1 shows another vehicle at each step; followed by identity the trace is one vehicle's."""
    values, identity = shuffled()
    found, who = by_identity(values, identity, axis=0)
    assert who.tolist() == [1, 2, 3, 4]
    assert np.array_equal(found, np.broadcast_to(who[:, None, None], found.shape))
    row_1 = values[:, 0]
    assert len(np.unique(row_1)) > 2, "the wrong trace mixes vehicles"
    assert (row_1 == -1).any(), "and shows empty rows"


def test_a_vehicle_out_of_view_leaves_a_gap_and_does_not_move_the_mean():
    values, identity = shuffled()
    identity[3:5][identity[3:5] == 2] = -1
    found, who = by_identity(values, identity, axis=0)
    assert np.isnan(found[1, 3:5]).all()
    assert centre(found)[1, :3] == pytest.approx(0)
    assert np.isnan(centre(found)[1, 3:5]).all()


def test_axis_of_vehicles():
    assert vehicle_axis((15, 64), 15) == 0
    assert vehicle_axis((4, 1, 15), 15) == 2
    assert vehicle_axis((1, 64), 15) is None
    assert vehicle_axis((14, 15), 15) is None, "cannot tell which"
    assert vehicle_axis((64,), 0) is None


def test_recorded_site_is_centred_over_the_episode(recording):
    result = traces(recording, "output_layer.relus.1", 0)
    expected = recording.episode(0)["sites/output_layer.relus.1"].values
    assert np.array_equal(result.data["activation"], expected)
    assert result.data["centred"].mean("step").values == pytest.approx(0, abs=1e-6)
    assert "computed again" not in (result.unchecked or "")


def test_post_activation_sites_are_told_from_pre_activation_ones(recording):
    after = traces(recording, "others_embedding.relus.1", 0)
    before = traces(recording, "others_embedding.layers.1", 0)
    assert after.data.attrs["stage"] == "post-activation"
    assert before.data.attrs["stage"] == "pre-activation"
    assert float(after.data["activation"].min()) >= 0
    assert float(before.data["activation"].min()) < 0, "a hook on the Linear layer is before ReLU"
    clamped = np.maximum(before.data["activation"].values, 0)
    assert np.allclose(clamped, after.data["activation"].values, equal_nan=True)
    assert stage("Softmax") == "post-activation"


def test_unrecorded_site_of_vehicles_is_computed_again_and_followed(recording):
    result = traces(recording, "others_embedding.relus.1", 1)
    assert "computed again" in (result.unchecked or "")
    data = recording.episode(1)
    net = recording.agent.net
    with torch.no_grad():
        rows = net.others_embedding(torch.from_numpy(data["obs"].values[:, 1:])).numpy()
    identity = data["row_identity"].values[:, 1:]
    for who in result.data["identity"].values:
        t, row = np.nonzero(identity == who)
        found = result.data["activation"].sel(identity=who).values
        assert np.allclose(found[t], rows[t, row], atol=1e-6)
        assert np.isnan(np.delete(found, t, axis=0)).all()


def test_attention_is_followed_by_identity_with_the_ego(recording):
    result = traces(recording, "attention_layer.pattern", 0)
    assert result.data["identity"].values[0] == 0
    total = np.nansum(result.data["activation"].values, axis=0)
    assert total == pytest.approx(1, abs=1e-5)
    assert result.data.sizes["unit"] == 4


def test_unknown_site_names_near_ones(recording):
    with pytest.raises(UnknownName, match="others_embedding.relus.1"):
        traces(recording, "others_embedding.relu.1", 0)
