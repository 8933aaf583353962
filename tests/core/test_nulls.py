import numpy as np
import pytest
import torch
from scipy import stats

from policyscope.core.edits import KINDS, Edit, apply
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.nulls import NULLS, POOL, null

rng = np.random.default_rng


def activations(units=64, rows=200):
    """Unit i has mean absolute activation that grows with i."""
    scale = torch.linspace(0.1, 5, units, dtype=torch.float64)
    return {"relu": torch.rand(rows, units, dtype=torch.float64) * scale}


def norms(edits):
    return np.array([edit.tensor.norm().item() for edit in edits])


def directions_of_other_norms(edit, n, generator):
    """The mistake: Gaussian vectors that are not brought to the edit's norm."""
    return [
        Edit("add", edit.site, None, generator.standard_normal(edit.tensor.shape)) for _ in range(n)
    ]


def equal_norms(edit, draws):
    return np.allclose(norms(draws), edit.tensor.norm().item(), rtol=1e-9)


def test_every_kind_of_edit_has_a_null():
    assert set(NULLS) == set(KINDS)


def test_add_directions_have_equal_norm_and_point_everywhere():
    edit = Edit("add", "relu", None, torch.linspace(-1, 3, 64))
    draws = null(edit, 400, rng(0), activations())
    assert equal_norms(edit, draws)
    assert not equal_norms(edit, directions_of_other_norms(edit, 400, rng(0)))
    unit = torch.stack([d.tensor for d in draws]) / edit.tensor.norm()
    # On the sphere (1 + one coordinate) / 2 follows Beta((D-1)/2, (D-1)/2).
    p = stats.kstest((1 + unit[:, 0].numpy()) / 2, stats.beta(63 / 2, 63 / 2).cdf).pvalue
    assert p > 1e-3
    assert unit.mean(0).norm() < 3 / 20


def distance(edit, draws, recorded):
    activity = recorded.abs().mean(0)
    wanted = activity[edit.index[0][0]]
    return max(abs(activity[d.index[0][0]] - wanted).item() for d in draws)


@pytest.mark.parametrize("kind", ["zero", "clamp"])
def test_units_are_others_of_nearly_equal_activity(kind):
    recorded = activations()
    edit = Edit(kind, "relu", (40,), 1.0 if kind == "clamp" else None)
    draws = null(edit, 200, rng(0), recorded)
    chosen = {d.index[0][0] for d in draws}
    activity = recorded["relu"].abs().mean(0)
    others = [u for u in range(64) if u != 40]
    nearest = sorted(others, key=lambda u: abs(activity[u] - activity[40]).item())[:POOL]
    assert chosen == set(nearest)
    assert all(d.kind == kind and d.values == edit.values for d in draws)
    anywhere = [Edit(kind, "relu", (int(u),), edit.values) for u in rng(0).integers(0, 64, 200)]
    near = distance(edit, draws, recorded["relu"])
    assert near < 1 < distance(edit, anywhere, recorded["relu"])


def test_several_units_get_as_many_different_partners():
    edit = Edit("zero", "relu", ((3,), (4,), (60,)))
    for draw in null(edit, 50, rng(1), activations()):
        units = [u for (u,) in draw.index]
        assert len(set(units)) == 3
        assert not {3, 4, 60} & set(units)
        assert units[0] < 30 < units[2]


def test_the_null_of_a_head_is_another_head():
    pattern = torch.rand(30, 4, 1, 6).softmax(-1)
    draws = null(Edit("zero", "p", (1,)), 60, rng(0), {"p": pattern})
    assert {d.index for d in draws} == {((i, None, None),) for i in (0, 2, 3)}
    assert all(apply(d, pattern).count_nonzero() == 30 * 3 * 6 for d in draws)


def test_mean_takes_the_means_of_the_drawn_units():
    recorded = activations()
    edit = Edit("mean", "relu", ((5,), (6,)), [0.1, 0.2])
    for draw in null(edit, 20, rng(0), recorded):
        units = [u for (u,) in draw.index]
        torch.testing.assert_close(draw.tensor, recorded["relu"].mean(0)[units])


def test_patch_takes_other_recorded_steps_for_each_row():
    recorded = activations(rows=50)
    source = recorded["relu"][:3]
    edit = Edit("patch", "relu", None, source)
    for draw in null(edit, 40, rng(0), recorded):
        rows = [(recorded["relu"] == v).all(-1).nonzero().item() for v in draw.tensor]
        assert all(row != i for i, row in enumerate(rows))
        assert not draw.broadcast
    head = Edit("patch", "relu", (2,), float(recorded["relu"][7, 2]), broadcast=True)
    values = {d.values for d in null(head, 300, rng(0), recorded)}
    assert values <= set(recorded["relu"][:, 2].tolist()) - {head.values}
    assert len(values) > 40


def test_draws_follow_the_generator():
    edit, recorded = Edit("zero", "relu", (40,)), activations()
    assert null(edit, 5, rng(3), recorded) == null(edit, 5, rng(3), recorded)
    assert null(edit, 5, rng(3), recorded) != null(edit, 5, rng(4), recorded)


@pytest.mark.parametrize(
    ("edit", "recorded", "says"),
    [
        (Edit("zero", "relu"), activations(), "leaves no other units"),
        (Edit("zero", "relu", ((0,), (1,))), activations(units=3), "has 1 units besides the 2"),
        (
            Edit("patch", "relu", None, [1.0, 1.0], broadcast=True),
            {"relu": torch.ones(4, 2)},
            "no other step",
        ),
        (Edit("patch", "relu", None, [[1.0]]), activations(), "does not fit the recorded"),
    ],
)
def test_a_null_that_cannot_be_drawn_says_why(edit, recorded, says):
    with pytest.raises(PolicyscopeError, match=says):
        null(edit, 3, rng(0), recorded)


def test_activations_of_the_site_are_needed():
    with pytest.raises(UnknownName, match="recorded activations 'relu'"):
        null(Edit("zero", "relu", (0,)), 1, rng(0), {"relu0": torch.ones(2, 2)})
