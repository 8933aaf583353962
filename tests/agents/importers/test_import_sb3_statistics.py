"""Statistics files of Stable-Baselines3 that are damaged, foreign or hostile."""

import os
import pickle

import numpy as np
import pytest
import torch

from policyscope.agents.importers.sb3_normalise import beside, read_statistics
from policyscope.agents.preprocess import Normalise, build_preprocess, preprocess_to_json
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.pickled_arrays import Record
from policyscope.core.pickled_data import read_pickled

library = pytest.importorskip("stable_baselines3")
vectors = pytest.importorskip("stable_baselines3.common.vec_env")


class Evil:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def scaled():
    """Statistics of three numbers, as the library keeps them."""
    made = library.common.env_util.make_vec_env("Pendulum-v1", n_envs=2, seed=0)
    wrapper = vectors.VecNormalize(made)
    wrapper.reset()
    return wrapper


def saved(tmp_path, wrapper):
    wrapper.save(tmp_path / "v.pkl")
    return tmp_path / "v.pkl"


def test_statistics_are_those_of_the_library(scaled, tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * 20
    made = read_statistics(saved(tmp_path, scaled), (3,))
    assert np.abs(made(torch.as_tensor(x)).numpy() - scaled.normalize_obs(x)).max() <= 1e-6
    assert np.abs(made(torch.as_tensor(x)).numpy()).max() == 10.0
    again = build_preprocess(preprocess_to_json(made))
    assert torch.equal(again(torch.as_tensor(x)), made(torch.as_tensor(x)))


def test_the_comparison_sees_other_formulas(scaled, tmp_path):
    """Mutants: the spread without its epsilon, the variance in its place, no clipping."""
    scaled.obs_rms.var[:], scaled.epsilon = [0.01, 0.3, 9.0], 0.1
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * 9
    theirs = scaled.normalize_obs(x)
    made = read_statistics(saved(tmp_path, scaled), (3,))
    mean, var = made.mean.numpy(), made.variance.numpy()
    mutants = (
        np.clip((x - mean) / np.sqrt(var), -10, 10), np.clip((x - mean) / (var + 0.1), -10, 10),
        (x - mean) / np.sqrt(var + 0.1),
    )  # fmt: skip
    assert np.abs(made(torch.as_tensor(x)).numpy() - theirs).max() <= 1e-6
    for mutant in mutants:
        assert np.abs(mutant - theirs).max() > 1e-3


def changed(wrapper, **fields):
    for name, value in fields.items():
        target, _, last = name.rpartition("__")
        setattr(getattr(wrapper, target) if target else wrapper, last, value)
    return wrapper


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"obs_rms__mean": np.zeros(4)}, r"is for observations of shape \(4,\), the model's"),
        ({"obs_rms__var": np.zeros(2)}, "different shapes"),
        ({"obs_rms__var": np.full(3, np.nan)}, "finite numbers above zero"),
        ({"obs_rms__var": np.full(3, -1.0)}, "finite numbers above zero"),
        ({"obs_rms__mean": "text"}, "no mean and variance"),
        ({"obs_rms": {}}, "several parts"),
        ({"obs_rms": None}, "no mean and variance"),
        ({"clip_obs": "text"}, "does not say its epsilon and clip_obs"),
        ({"clip_obs": -3.0}, "above zero"),
        ({"epsilon": None}, "does not say its epsilon"),
    ],
)
def test_other_statistics_are_one_clear_line(scaled, tmp_path, fields, said):
    with pytest.raises(BadFile, match=said) as caught:
        read_statistics(saved(tmp_path, changed(scaled, **fields)), (3,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["reset_infos", "obs_rms", "old_reward", "epsilon"])
def test_code_in_the_file_is_refused_by_name_and_not_run(scaled, tmp_path, canary, place):
    with pytest.raises(BadFile, match=r"asks for .*mkdir, which is no data; nothing of it was run"):
        read_statistics(saved(tmp_path, changed(scaled, **{place: Evil(canary)})), (3,))


@pytest.mark.parametrize("value", [3, {"obs_rms": 1}, None, np.zeros(3), [Record]])
def test_other_pickles_are_one_clear_line(tmp_path, value):
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(BadFile, match=r"holds no VecNormalize|is no data"):
        read_statistics(path, (3,))


def test_truncations_are_one_clear_line(scaled, tmp_path):
    path = saved(tmp_path, scaled)
    data = path.read_bytes()
    for length in range(0, len(data) - 1, 37):
        path.write_bytes(data[:length])
        with pytest.raises(BadFile) as caught:
            read_statistics(path, (3,))
        assert "\n" not in str(caught.value)


def test_records_are_read_where_they_are_asked_for_alone(scaled, tmp_path):
    path = saved(tmp_path, scaled)
    with pytest.raises(BadFile, match="VecNormalize, which is no data"):
        read_pickled(path)
    with pytest.raises(BadFile, match="which is no data"):
        read_pickled(path, ["stable"])
    found = read_pickled(path, ["stable_baselines3", "gymnasium.spaces", "numpy.random"])
    assert isinstance(found, Record)
    assert isinstance(found.fields["obs_rms"], Record)


@pytest.mark.parametrize(
    ("model", "statistics", "found"),
    [
        ("a.zip", "vecnormalize.pkl", True),
        ("a.zip", "vec_normalize.pkl", True),
        ("rl_model_500_steps.zip", "rl_model_vecnormalize_500_steps.pkl", True),
        ("rl_model_500_steps.zip", "rl_model_vecnormalize_900_steps.pkl", False),
        ("a.zip", "b.pkl", False),
    ],
)
def test_names_beside_a_model(tmp_path, model, statistics, found):
    (tmp_path / statistics).write_bytes(b"")
    assert (beside(tmp_path / model) == tmp_path / statistics) is found


@pytest.mark.parametrize(
    "arguments",
    [
        {"mean": [0.0], "variance": [1.0, 1.0]}, {"mean": [0.0], "variance": [-1.0]},
        {"mean": [float("inf")], "variance": [1.0]}, {"mean": ["a"], "variance": [1.0]},
        {"mean": [0.0], "variance": [1.0], "clip": 0.0}, {"mean": [0.0]},
    ],
)  # fmt: skip
def test_what_cannot_normalise_is_one_clear_line(arguments):
    with pytest.raises(PolicyscopeError) as caught:
        build_preprocess({"name": "normalise", "arguments": arguments})
    assert "\n" not in str(caught.value)


def test_it_holds_no_weights_that_training_would_change():
    assert not list(Normalise([0.0], [1.0]).parameters())
