"""The real checkpoint against its known outputs, made-up ones against a functional forward."""

import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from policyscope.agents.contract import gap
from policyscope.agents.fit import check_fit
from policyscope.agents.importers.recognise import import_agent
from policyscope.agents.importers.rl_clarity import import_checkpoint
from policyscope.agents.store import load_agent, save_agent
from policyscope.cli.main import main
from policyscope.core import registry
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.hooks import gradients, replace
from policyscope.core.pickled_data import read_pickled
from policyscope.envs.procgen.actions import REDUCED
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

GOLDEN = {
    "clip_bug_coin.png": [8.47, 8.52, 8.87, 8.82, 8.92],
    "clip_bug_saw.png": [9.08, 8.62, 7.71, 9.05, 9.22],
    "clip_failure_obscured.png": [
        8.46, 8.40, 7.96, 8.36, 7.64, 5.06, 5.98, 7.79, 8.42, 8.85, 8.31, 8.93, 8.93, 8.38, 8.93,
        7.18, 6.24, 7.64,
    ],
}  # fmt: skip
WIDTHS, DENSE = (3, 4, 5, 4, 6), (10, 12)


@pytest.fixture(scope="module")
def checkpoint(lineages):
    return lineages.shared("coinrun_clear.jd")


@pytest.fixture(scope="module")
def agent(checkpoint):
    return import_checkpoint(checkpoint)


def frames(path):
    strip = np.asarray(Image.open(path).convert("RGB"))
    return np.ascontiguousarray(strip.reshape(64, -1, 64, 3).transpose(1, 0, 2, 3))


def bare(params):
    return {k.split("/", 1)[1]: v for k, v in params.items()}


def clarity_params(actions=15, rng=None):
    """Arrays under the lineage's names."""
    rng = rng or np.random.default_rng(3)
    params, before = {}, 3
    for (name, kernel), width in zip(
        (("1a", 7), ("2a", 5), ("2b", 5), ("3a", 5), ("4a", 5)), WIDTHS, strict=True
    ):
        params[f"pi/{name}/conv2d/kernel:0"] = rng.normal(size=(kernel, kernel, before, width)) / 5
        params[f"pi/{name}/conv2d/bias:0"] = rng.normal(size=width) / 5
        before = width
    for key, shape in (
        ("pi/dense/kernel:0", (16 * before, DENSE[0])), ("pi/dense/bias:0", DENSE[:1]),
        ("pi/dense_1/kernel:0", DENSE), ("pi/dense_1/bias:0", DENSE[1:]),
        ("pi/w:0", (DENSE[1], actions)), ("pi/b:0", (actions,)),
        ("vf/w:0", (DENSE[1], 1)), ("vf/b:0", (1,)),
    ):  # fmt: skip
        params[key] = rng.normal(size=shape) / 3
    return {f"ppo2_model/{k}": v.astype(np.float32) for k, v in params.items()}


def written(tmp_path, params=None, protocol=3, **args):
    params = clarity_params() if params is None else params
    path = tmp_path / "made.jd"
    args = {"cnn": "clear", "env_kind": "procgen", "env_name": "coinrun", "use_lstm": 0} | args
    path.write_bytes(pickle.dumps({"args": args, "params": params, "extra": {}}, protocol))
    return path


@pytest.mark.parametrize("clip", GOLDEN)
def test_values_of_the_real_checkpoint_are_the_known_ones(agent, lineages, clip):
    with torch.no_grad():
        value = agent.act(frames(lineages.shared(clip))).outputs["value"]
    assert np.abs(value.numpy() - GOLDEN[clip]).max() <= 1e-2


def test_black_frame_and_empty_2b_have_the_known_values(agent):
    black = np.zeros((1, 64, 64, 3), np.uint8)
    with torch.no_grad():
        assert agent.act(black).outputs["value"].item() == pytest.approx(8.8695, abs=1e-3)
        with replace(agent.modules(), {"2b.relu": torch.zeros_like}):
            assert agent.act(black).outputs["value"].item() == pytest.approx(8.8076, abs=1e-3)


@pytest.mark.parametrize(
    ("clip", "total", "positive", "negative", "cells"),
    [
        ("clip_bug_coin.png", 0.461, 1.870, -1.409, {(14, 24, 14): 0.0534}),
        (
            "clip_bug_saw.png", -1.133, 2.779, -3.913,
            {(9, 26, 8): -0.3174, (10, 25, 9): -0.2210, (8, 25, 17): -0.1904, (9, 25, 13): 0.1703},
        ),
    ],
)  # fmt: skip
def test_integrated_gradients_at_2b_are_the_known_ones(
    agent, lineages, clip, total, positive, negative, cells
):
    obs, modules = frames(lineages.shared(clip))[2:3], agent.modules()
    kept = {}
    with torch.no_grad(), replace(modules, {"2b.relu": lambda x: kept.setdefault("a", x)}):
        agent.act(obs)
    slopes = []
    for i in range(1, 11):
        with replace(modules, {"2b.relu": lambda _, s=i / 10: kept["a"] * s}):
            found = gradients(modules, ["2b.relu"], lambda: agent.act(obs).outputs["value"])
        slopes.append(found["2b.relu"])
    shares = (kept["a"] * torch.stack(slopes).mean(0))[0].permute(1, 2, 0)
    assert shares.sum().item() == pytest.approx(total, abs=2e-3)
    assert shares.clamp(min=0).sum().item() == pytest.approx(positive, abs=2e-3)
    assert shares.clamp(max=0).sum().item() == pytest.approx(negative, abs=2e-3)
    for cell, share in cells.items():
        assert shares[cell].item() == pytest.approx(share, abs=2e-4)
    assert shares.abs().max().item() == pytest.approx(abs(next(iter(cells.values()))), abs=2e-4)


def differences(agent, params, obs, forward):
    """Largest difference in float64, and in float32 relative to the larger of 1 and the value."""
    exact = copy.deepcopy(agent.net).double()
    with torch.no_grad():
        doubles = exact(agent.preprocess(torch.as_tensor(obs)).double())
        singles = agent.act(obs).outputs
    theirs = forward({k: v.astype(np.float64) for k, v in params.items()}, np.asarray(obs))
    theirs = {k: torch.from_numpy(v) for k, v in theirs.items()}
    assert min(v.std() for v in theirs.values()) > 1e-3
    gaps = [(doubles[k] - v).abs().max().item() for k, v in theirs.items()]
    return max(gaps), gap(dict(singles), theirs)


def test_real_checkpoint_equals_the_functional_forward(agent, checkpoint, lineages):
    params = bare(read_pickled(checkpoint)["params"])
    obs = np.concatenate([frames(lineages.shared(c)) for c in GOLDEN] + [lineages.frames(4)])
    exact, single = differences(agent, params, obs, lineages.clear)
    assert exact <= 1e-11
    assert single <= 1e-5


def test_real_checkpoint_says_what_it_is(agent):
    assert (agent.env.id, agent.env.options) == ("procgen/coinrun", {})
    assert agent.card["config"]["gamma"] == 0.999
    assert agent.card["reported"]["_rewmean_"] == pytest.approx(9.9, abs=1e-4)
    assert len(agent.space.actions) == 15
    assert agent.space.obs_dtype == "uint8"
    assert (agent.head, agent.acting, agent.recurrent) == ("categorical", "sample", False)
    assert agent.card["unused"] == []
    assert agent.sites()["2b.relu"].shape == (32, 32, 32)


def test_made_up_checkpoint_equals_the_functional_forward_and_comes_back(tmp_path, lineages):
    params = clarity_params()
    agent = import_agent(written(tmp_path, params))
    save_agent(agent, tmp_path / "agent")
    for who in (agent, load_agent(tmp_path / "agent")):
        exact, single = differences(who, bare(params), lineages.frames(5), lineages.clear)
        assert exact <= 1e-11
        assert single <= 1e-5
    assert len(set(agent.space.actions)) == 15
    assert agent.network[1]["widths"] == list(WIDTHS)


def test_says_that_the_file_names_the_environment(tmp_path, capsys):
    path = written(tmp_path, clarity_params(), distribution_mode="easy")
    assert main(["import", str(path), "--out", str(tmp_path / "agent")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "environment: procgen/coinrun (mode=easy), as the file says"


@pytest.mark.parametrize("layer", ["dense", "2a/conv2d", "4a/conv2d"])
def test_the_comparison_sees_another_layout(tmp_path, lineages, layer):
    params = clarity_params()
    agent = import_agent(written(tmp_path, params))
    kernel = f"pi/{layer}/kernel:0"
    wrong = bare(params)
    turned = wrong[kernel]
    if layer == "dense":
        turned = turned.reshape(4, 4, WIDTHS[-1], -1).transpose(2, 0, 1, 3).reshape(turned.shape)
    else:
        turned = turned.transpose(1, 0, 2, 3)
    obs = lineages.frames(2)
    theirs = lineages.clear({**wrong, kernel: turned}, obs.numpy())
    with torch.no_grad():
        assert np.abs(agent.act(obs).outputs["logits"].numpy() - theirs["logits"]).max() > 1e-3


def test_settings_of_a_run_become_the_environment(tmp_path):
    easy = import_agent(written(tmp_path, distribution_mode="easy", paint_vel_info=1))
    assert easy.env.options == {"mode": "easy", "paint_vel_info": True}
    assert import_agent(written(tmp_path, env_kind="coinrun_old")).env is None


def test_nine_actions_are_those_of_the_original_game_and_no_reduced_ones(tmp_path):
    path = written(tmp_path, clarity_params(9), env_kind="coinrun_old")
    assert import_agent(path).space.actions[:3] == ("IDLE", "RIGHT", "LEFT")
    for options in ({}, {"actions": 9}):
        with pytest.raises(PolicyscopeError, match="which no environment here has in this order"):
            import_agent(path, env=EnvSpec("procgen/coinrun", options))
    with pytest.raises(PolicyscopeError, match="made for actions .'IDLE', 'RIGHT'"):
        check_fit(import_agent(path), Space((64, 64, 3), "uint8", actions=REDUCED))


def without(key):
    return {k: v for k, v in clarity_params().items() if not k.endswith(key)}


def other(key, value):
    return {k: value if k.endswith(key) else v for k, v in clarity_params().items()}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (without("2b/conv2d/kernel:0"), "no weight of 2b.conv2d"),
        (without("vf/b:0"), "no bias of vf"),
        (other("pi/b:0", np.zeros((15, 1), np.float32)), "no bias of pi"),
        (other("2a/conv2d/kernel:0", np.zeros((5, 5, 9, 4), np.float32)), "2a.conv2d.weight has"),
        (other("pi/dense/kernel:0", np.zeros((90, 10), np.float32)), "dense.weight has shape"),
        (other("1a/conv2d/kernel:0", np.zeros((3, 3, 3, 3), np.float32)), "1a.conv2d.weight has"),
        (other("vf/w:0", np.full((12, 1), np.nan, np.float32)), "vf.weight is not finite"),
        (other("vf/w:0", "text"), "no arrays by name"),
        ({**clarity_params(), "m/pi/2a/batch_normalization/gamma:0": np.ones(4)}, "unknown"),
        ({}, "no clear network"),
        ([1], "holds no 'params'"),
    ],
)
def test_other_params_are_one_clear_line(tmp_path, params, said):
    with pytest.raises(BadFile, match=said) as caught:
        import_agent(written(tmp_path, params))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("args", [{"cnn": "nature"}, {"use_lstm": 1}, {"frame_stack": 4}])
def test_what_this_network_does_not_compute_is_refused_by_name(tmp_path, args):
    name = next(iter(args))
    with pytest.raises(BadFile, match=f"made with {name} = .*no import"):
        import_agent(written(tmp_path, **args))


def test_variables_beside_the_network_are_listed_and_not_needed(tmp_path):
    extra = {"ppo2_model/beta1_power:0": np.float32([1]), "global_step:0": np.zeros(1)}
    agent = import_agent(written(tmp_path, {**clarity_params(), **extra}))
    assert agent.card["unused"] == ["ppo2_model/beta1_power:0", "global_step:0"]


@pytest.mark.parametrize("value", [3, [1], None, {"params": {}}, {"args": {}, "params": 3}])
def test_other_pickled_values_are_one_clear_line(tmp_path, value):
    path = tmp_path / "other.jd"
    path.write_bytes(pickle.dumps(value, 2))
    with pytest.raises(BadFile, match="holds no 'params' and 'args'"):
        import_agent(path)


def test_truncated_real_checkpoint_is_one_clear_line(checkpoint, tmp_path):
    data, path = checkpoint.read_bytes(), tmp_path / "cut.jd"
    for share in (1e-5, 0.001, 0.01, 0.5, 0.9, 0.99999):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(BadFile) as caught:
            import_agent(path)
        assert "\n" not in str(caught.value)


def test_names_are_the_engines_where_the_engine_is_missing(tmp_path, monkeypatch):
    path = written(tmp_path)
    known = import_agent(path).space
    monkeypatch.delitem(registry._ENTRIES["environment"], "procgen/coinrun")
    alone = import_agent(path)
    assert alone.space == known
    assert alone.env.id == "procgen/coinrun"
