"""Checkpoints are made here the way the lineage makes them, and read against its formulas."""

import contextlib
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from policyscope.agents.contract import gap
from policyscope.agents.importers.files import OLD_TORCH, read_torch
from policyscope.agents.importers.procgen_pytorch import import_checkpoint
from policyscope.agents.importers.recognise import import_agent, recognise
from policyscope.agents.store import load_agent, save_agent
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec


def lineage_weights(scale=1, embedding=32, actions=15, memory=0, start=False, blocks=(4, 6, 8)):
    """Weights under the lineage's names."""
    shapes, before = {}, 3
    for i, width in enumerate((w * scale for w in blocks), 1):
        shapes[f"embedder.block{i}.conv"] = (width, before, 3, 3)
        for res in ("res1", "res2"):
            for conv in ("conv1", "conv2"):
                shapes[f"embedder.block{i}.{res}.{conv}"] = (width, width, 3, 3)
        before = width
    shapes["embedder.fc"] = (embedding, before * 64)
    shapes["fc_policy"] = (actions, memory or embedding)
    shapes["fc_value"] = (1, memory or embedding)
    weights = OrderedDict()
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = torch.randn(shape) * np.prod(shape[1:]) ** -0.5
        weights[f"{name}.bias"] = torch.randn(shape[0]) / 10
    if memory:
        gru = torch.nn.GRU(embedding, memory)
        weights.update({f"gru.gru.{k}": v.detach() for k, v in gru.named_parameters()})
    if start:
        weights["init_hx"] = torch.randn(memory)
    return weights


def written(tmp_path, weights, key="model_state_dict", name="model_80412672.pth", **options):
    path = tmp_path / name
    torch.save({key: weights, "optimizer_state_dict": {"state": {}, "param_groups": []}}, path,
               **options)  # fmt: skip
    return path


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict"])
@pytest.mark.parametrize(("scale", "actions"), [(1, 15), (2, 9)])
def test_imported_network_computes_what_the_lineage_computes(
    tmp_path, lineages, key, scale, actions
):
    weights = lineage_weights(scale, actions=actions)
    agent = import_agent(written(tmp_path, weights, key))
    obs = lineages.frames(5)
    theirs = lineages.impala(weights, obs)
    save_agent(agent, tmp_path / "agent")
    for who in (agent, load_agent(tmp_path / "agent")):
        with torch.no_grad():
            assert gap(who.act(obs).outputs, theirs) <= 1e-5
    assert theirs["logits"].std() > 1e-2
    assert agent.network[1]["widths"] == [4 * scale, 6 * scale, 8 * scale]
    assert len(agent.space.actions) == actions
    assert agent.card["steps"] == 80412672
    assert agent.env is None


def test_full_width_has_the_lineages_parameter_count(tmp_path):
    weights = lineage_weights(4, 256, 15, blocks=(16, 32, 32))
    agent = import_agent(written(tmp_path, weights))
    assert sum(p.numel() for p in agent.net.parameters()) == 3_653_136


@pytest.mark.parametrize("start", [False, True])
def test_recurrent_checkpoint_computes_what_the_lineage_computes(tmp_path, lineages, start):
    weights = lineage_weights(embedding=20, memory=12, start=start)
    agent = import_agent(written(tmp_path, weights))
    obs, first = lineages.frames(5, 2), torch.zeros(5, 2, dtype=torch.bool)
    theirs, states = lineages.recurrent(weights, obs, torch.zeros(2, 12))
    with torch.no_grad():
        ours, after = agent.unroll(obs, None, first)
    assert gap(ours, theirs) <= 1e-5
    assert gap(after, states) <= 1e-5
    assert agent.recurrent
    assert agent.card.get("unused", []) == (["init_hx"] if start else [])


def test_learned_beginning_is_taken_where_it_is_asked_for(tmp_path, lineages):
    weights = lineage_weights(embedding=20, memory=12, start=True)
    agent = import_checkpoint(written(tmp_path, weights), learned_start=True)
    assert torch.equal(agent.initial_state(3)[2], weights["init_hx"])
    obs = lineages.frames(2, 3)
    theirs, _ = lineages.recurrent(weights, obs, weights["init_hx"].expand(3, -1).contiguous())
    with torch.no_grad():
        ours, _ = agent.unroll(obs, None, torch.zeros(2, 3, dtype=torch.bool))
    assert gap(ours, theirs) <= 1e-5


def test_the_comparison_sees_gates_in_another_order(tmp_path, lineages):
    weights = lineage_weights(embedding=20, memory=12)
    agent = import_agent(written(tmp_path, weights))
    turned = dict(weights)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        reset, update, rest = turned[f"gru.gru.{name}"].chunk(3)
        turned[f"gru.gru.{name}"] = torch.cat([update, reset, rest])
    obs = lineages.frames(5, 2)
    theirs, _ = lineages.recurrent(turned, obs, torch.zeros(2, 12))
    with torch.no_grad():
        ours, _ = agent.unroll(obs, None, torch.zeros(5, 2, dtype=torch.bool))
    assert gap(ours, theirs) > 1e-3


def test_a_checkpoint_of_a_gpu_loads_on_the_cpu(tmp_path, lineages):
    weights = lineage_weights()
    path = written(tmp_path, weights)
    moved = tmp_path / "gpu.pth"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(moved, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                assert b"X\x03\0\0\0cpu" in data
                data = data.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
            new.writestr(name, data)
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load(moved, weights_only=True)
    agent = import_agent(moved)
    assert agent.device.type == "cpu"
    assert gap(dict(agent.net.state_dict()), dict(weights)) == 0


def test_files_of_old_torch_and_of_several_gpus_load(tmp_path):
    weights = lineage_weights()
    old = written(tmp_path, weights, _use_new_zipfile_serialization=False)
    assert old.read_bytes().startswith(OLD_TORCH)
    assert gap(dict(import_agent(old).net.state_dict()), dict(weights)) == 0
    parallel = written(tmp_path, {f"module.{k}": v for k, v in weights.items()})
    assert gap(dict(import_agent(parallel).net.state_dict()), dict(weights)) == 0


def test_environment_gives_the_names_and_must_fit(tmp_path):
    path = written(tmp_path, lineage_weights())
    from policyscope.envs.spec import EnvSpec

    with pytest.raises(PolicyscopeError, match=r"observations of shape \(64, 64, 3\).*has \(4,\)"):
        import_agent(path, env=EnvSpec("gym:CartPole-v1"))


def changed(**values):
    return OrderedDict(
        {**lineage_weights(), **{k.replace("__", "."): v for k, v in values.items()}}
    )


def lacking(name):
    return OrderedDict((k, v) for k, v in lineage_weights().items() if k != name)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (lacking("embedder.fc.weight"), "it has no embedder.fc.weight"),
        (lacking("fc_value.bias"), "missing weights: fc_value.bias"),
        (changed(extra__weight=torch.ones(2)), "unknown weights: extra.weight"),
        (changed(fc_policy__weight=torch.ones(15)), "of another shape is its fc_policy.weight"),
        (changed(fc_value__weight=torch.ones(1, 9)), r"fc_value.weight has shape \(1, 9\)"),
        (changed(embedder__fc__weight=torch.ones(32, 100)), "embedder.fc.weight has shape"),
        (changed(embedder__fc__bias=torch.full((32,), torch.inf)), "is not finite numbers"),
        (changed(embedder__fc__bias=torch.ones(32, dtype=torch.long)), "is not finite numbers"),
        (changed(gru__gru__weight_ih_l0=torch.ones(3, 3)), "has no gru.gru.weight_hh_l0"),
        (
            OrderedDict({**lineage_weights(memory=6), "gru.gru.weight_ih_l1": torch.ones(18, 6)}),
            "unknown weights: gru.gru.weight_ih_l1",
        ),
        (OrderedDict(nothing=torch.ones(1)), "of no known lineage: its weights are nothing"),
        (OrderedDict(), "holds no weights"),
    ],
)
def test_other_weights_are_one_clear_line(tmp_path, weights, said):
    with pytest.raises(BadFile, match=said) as caught:
        import_agent(written(tmp_path, weights))
    assert "\n" not in str(caught.value)


def test_sizes_are_looked_at_before_memory_is_taken(tmp_path):
    """Neither a stretched tensor nor a wide layer may cost more than the file is long."""
    vast = torch.ones(1).expand(32, 512)
    with pytest.raises(BadFile, match="fewer numbers than its shape"):
        import_agent(
            written(tmp_path, lineage_weights() | {"embedder.fc.weight": vast}, name="m.pth")
        )
    wide = lineage_weights() | {"embedder.block3.conv.weight": torch.ones(100_000, 6, 3, 3)}
    with pytest.raises(BadFile, match="block3.conv.bias has shape"):
        import_agent(written(tmp_path, wide, name="m.pth"))


def test_half_precision_becomes_single(tmp_path, lineages):
    weights = {k: v.half() for k, v in lineage_weights().items()}
    agent = import_agent(written(tmp_path, weights))
    assert {p.dtype for p in agent.net.parameters()} == {torch.float32}
    assert all(p.requires_grad for p in agent.net.parameters())
    assert agent.act(lineages.frames(2)).outputs["value"].isfinite().all()


@pytest.mark.parametrize("value", [3, [1], {"state_dict": 3}, {"state_dict": {"a": "b"}}, {}])
def test_other_contents_are_one_clear_line(tmp_path, value):
    path = tmp_path / "model.pth"
    torch.save(value, path)
    for lineage in (None, "procgen_pytorch"):
        with pytest.raises(BadFile) as caught:
            import_agent(path, lineage)
        assert "\n" not in str(caught.value)


class Evil:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("lineage", [None, "procgen_pytorch", "rl_agents"])
def test_a_file_that_would_run_code_is_refused(tmp_path, new, lineage):
    canary = tmp_path / "canary"
    path = tmp_path / "evil.pth"
    state = {**lineage_weights(), "x": Evil(canary)}
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(BadFile, match="refused|no known") as caught:
        import_agent(path, lineage)
    assert "\n" not in str(caught.value)
    assert not canary.exists()
    with contextlib.suppress(Exception):
        torch.load(path, weights_only=False)
    assert canary.exists()  # it is no blank


def test_a_bare_pickle_is_refused(tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "evil.pth"
    for protocol in range(6):
        path.write_bytes(pickle.dumps({"state_dict": Evil(canary)}, protocol))
        for lineage in (None, "procgen_pytorch", "rl_agents", "rl_clarity"):
            with pytest.raises(BadFile) as caught:
                import_agent(path, lineage)
            assert "\n" not in str(caught.value)
    assert not canary.exists()


@pytest.mark.parametrize("new", [True, False])
def test_truncations_are_one_clear_line(tmp_path, new):
    path = written(tmp_path, lineage_weights(), _use_new_zipfile_serialization=new)
    data = path.read_bytes()
    for length in [0, 1, 5, 20, *range(100, len(data), len(data) // 25), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(BadFile) as caught:
            import_agent(path)
        assert "\n" not in str(caught.value)


def told(path):
    """Lines of the refusal of a file; none where it is imported."""
    try:
        import_agent(path)
    except PolicyscopeError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("new", [True, False])
def test_damaged_bytes_end_in_an_agent_or_one_clear_line(tmp_path, new):
    path = written(tmp_path, lineage_weights(), _use_new_zipfile_serialization=new)
    data, draw = path.read_bytes(), np.random.default_rng(0)
    ends = 4000 if not new else len(data)
    refused = 0
    for _ in range(60):
        mutant = bytearray(data)
        for at in draw.integers(0, ends, 3):
            mutant[at] = draw.integers(0, 256)
        path.write_bytes(bytes(mutant))
        lines = told(path)
        refused += bool(lines)
        assert len(lines) <= 1
    assert refused > 20


def test_recognition_and_reading_name_a_missing_file(tmp_path):
    with pytest.raises(BadFile, match="no such file"):
        recognise(tmp_path / "none.pth")
    with pytest.raises(BadFile, match="no such file"):
        read_torch(tmp_path / "none.pth")


def test_frames_are_never_taken_for_joined_vectors(tmp_path, lineages):
    agent = lineages.agent("impala", widths=[4, 4, 4], embedding=8)
    path = tmp_path / "model_9.pth"
    torch.save({"state_dict": agent.net.state_dict()}, path)
    with pytest.raises(PolicyscopeError, match="has .4,.; name the environment of the training"):
        import_agent(path, env=EnvSpec("gym:CartPole-v1"))


@pytest.mark.parametrize(("name", "steps"), [("model_9.pth", 9), ("run7.pth", None)])
def test_steps_are_read_from_the_lineages_own_file_names_alone(tmp_path, lineages, name, steps):
    agent = lineages.agent("impala", widths=[4, 4, 4], embedding=8)
    torch.save({"state_dict": agent.net.state_dict()}, tmp_path / name)
    card = import_agent(tmp_path / name).card
    assert (card["algorithm"], card.get("steps")) == ("PPO", steps)
