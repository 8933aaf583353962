"""Checkpoints are made here the way rl-agents makes them, and read against its formulas."""

import json
import math
import os
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch.nn.functional import linear, mse_loss, relu

from policyscope.agents.importers.rl_agents import import_checkpoint, read_config
from policyscope.agents.store import load_agent, save_agent
from policyscope.cli.main import main
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec


def lineage_weights(features=7, widths=(64, 64), decoder=(64, 64), actions=3):
    """Weights under the lineage's names, drawn as ``nn.Linear`` draws them."""
    shapes = {}

    def layers(part, sizes):
        for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False)):
            shapes[f"{part}.layers.{i}.weight"] = (b, a)
            shapes[f"{part}.layers.{i}.bias"] = (b,)

    layers("ego_embedding", (features, *widths))
    layers("others_embedding", (features, *widths))
    for name in ("value_all", "key_all", "query_ego", "attention_combine"):
        shapes[f"attention_layer.{name}.weight"] = (widths[-1], widths[-1])
    layers("output_layer", (widths[-1], *decoder))
    shapes["output_layer.predict.weight"] = (actions, decoder[-1])
    shapes["output_layer.predict.bias"] = (actions,)
    return OrderedDict((k, torch.randn(s) * s[-1] ** -0.5) for k, s in shapes.items())


def lineage_forward(w, x, heads, average=True):
    """What rl-agents computes, from its source, one head and one batch row at a time."""

    def mlp(part, value):
        i = 0
        while f"{part}.layers.{i}.weight" in w:
            layer = f"{part}.layers.{i}"
            value = relu(linear(value, w[f"{layer}.weight"], w[f"{layer}.bias"]))
            i += 1
        return value

    answers = []
    for row in x:
        ego = mlp("ego_embedding", row[:1])
        everyone = torch.cat([ego, mlp("others_embedding", row[1:])])
        key = linear(everyone, w["attention_layer.key_all.weight"])
        value = linear(everyone, w["attention_layer.value_all.weight"])
        query = linear(ego, w["attention_layer.query_ego.weight"])
        width = key.shape[1] // heads
        parts = []
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            score = (query[:, part] @ key[:, part].T) / math.sqrt(width)
            score = torch.where(row[:, 0] < 0.5, torch.tensor(-1e9), score[0])[None]
            parts.append(score.softmax(-1) @ value[:, part])
        mixed = linear(torch.cat(parts, 1), w["attention_layer.attention_combine.weight"]) + ego
        out = mlp("output_layer", mixed / 2 if average else mixed)
        answers.append(
            linear(out, w["output_layer.predict.weight"], w["output_layer.predict.bias"])
        )
    return torch.cat(answers)


def observations(rows=40, features=7):
    x = torch.randn(rows, 15, features)
    x[..., 0] = (torch.rand(rows, 15) < 0.4).float()
    x[:, 0, 0] = 1
    x[0, 1:, 0] = 0
    return x


@pytest.fixture
def weights():
    return lineage_weights()


@pytest.fixture
def checkpoint(tmp_path, weights):
    """state_dict and the state of an Adam that has made three updates."""
    for value in weights.values():
        value.requires_grad_()
    adam = torch.optim.Adam(list(weights.values()), lr=5e-4, weight_decay=0)
    for _ in range(3):
        adam.zero_grad()
        mse_loss(lineage_forward(weights, observations(4), 4), torch.zeros(4, 3)).backward()
        adam.step()
    state = OrderedDict((k, v.detach()) for k, v in weights.items())
    path = tmp_path / "latest.tar"
    torch.save({"state_dict": state, "optimizer": adam.state_dict()}, path)
    return path


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_imported_network_computes_what_the_lineage_computes(checkpoint, weights, heads):
    agent = import_checkpoint(checkpoint, heads=heads)
    x = observations()
    with torch.no_grad():
        ours = agent.act(x).outputs["q"]
        theirs = lineage_forward(weights, x, heads)
    assert (ours - theirs).abs().max() < 1e-5
    assert torch.equal(agent.act(x).action, theirs.argmax(-1))


@pytest.mark.parametrize(("heads", "average"), [(1, True), (2, True), (4, False)])
def test_the_comparison_sees_a_wrong_head_count_or_residual(checkpoint, weights, heads, average):
    agent = import_checkpoint(checkpoint, heads=4)
    x = observations()
    with torch.no_grad():
        wrong = lineage_forward(weights, x, heads, average)
        assert (agent.act(x).outputs["q"] - wrong).abs().max() > 1e-3


def test_card_names_lineage_digest_configuration_and_updates(checkpoint, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"gamma": 0.95, "model": {"attention_layer": {"heads": 4}}}))
    agent = import_checkpoint(checkpoint, config)
    assert agent.card["updates"] == 3
    assert agent.card["config"]["gamma"] == 0.95
    assert agent.card["source"]["file"] == "latest.tar"
    assert len(agent.card["source"]["sha256"]) == 64
    assert "rl-agents" in agent.card["lineage"]
    assert agent.initial is None
    assert agent.head == "q"
    assert agent.acting == "greedy"


def test_saved_import_loads_with_the_same_answers(checkpoint, tmp_path):
    agent = import_checkpoint(checkpoint, heads=2)
    save_agent(agent, tmp_path / "agent")
    again = load_agent(tmp_path / "agent")
    x = observations()
    assert torch.equal(agent.act(x).outputs["q"], again.act(x).outputs["q"])
    assert again.network == ("ego_attention", {**agent.network[1]})
    assert again.space.actions == ("SLOWER", "IDLE", "FASTER")
    assert again.card == agent.card


def test_widths_are_read_from_the_shapes(tmp_path):
    weights = lineage_weights(widths=(32, 16), decoder=(24,))
    path = tmp_path / "small.tar"
    torch.save({"state_dict": weights, "optimizer": {}}, path)
    agent = import_checkpoint(path, heads=2)
    assert agent.network[1] == {
        "features": 7, "embedding": [32, 16], "width": 16, "decoder": [24], "actions": 3,
        "heads": 2,
    }  # fmt: skip
    x = observations()
    assert (agent.act(x).outputs["q"] - lineage_forward(weights, x, 2)).abs().max() < 1e-5


def test_weights_of_another_environment_are_refused_by_name(tmp_path):
    path = tmp_path / "other.tar"
    torch.save({"state_dict": lineage_weights(features=5, actions=2), "optimizer": {}}, path)
    with pytest.raises(PolicyscopeError, match=r"read 5 features .* 2 actions.*gives 7 and 3"):
        import_checkpoint(path, heads=4)


def test_the_environment_can_be_named(tmp_path):
    names = ["presence", "x", "y", "vx", "vy"]
    env = EnvSpec("highway/intersection", {"observation.features": names})
    path = tmp_path / "five.tar"
    torch.save({"state_dict": lineage_weights(features=5), "optimizer": {}}, path)
    agent = import_checkpoint(path, heads=4, env=env)
    assert agent.space.features == tuple(names)
    assert agent.env.options == env.options


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "(default settings), guessed, for rl_agents names none (another: --env)"),
        (["--env-set", "duration=9"],
         "(duration=9), guessed, for rl_agents names none (another: --env)"),
        (["--env", "highway/intersection"], "(default settings), as given"),
    ],
)  # fmt: skip
def test_says_which_environment_was_guessed(checkpoint, tmp_path, capsys, flags, told):
    argv = ["import", str(checkpoint), "--heads", "2", *flags, "--out", str(tmp_path / "out")]
    assert main(argv) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"environment: highway/intersection {told}"


def test_heads_must_be_known(checkpoint, tmp_path):
    with pytest.raises(PolicyscopeError, match="cannot be read from the weights.*--heads"):
        import_checkpoint(checkpoint)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model": {"attention_layer": {"heads": 4}}}))
    with pytest.raises(PolicyscopeError, match="configuration says 4 heads, --heads says 2"):
        import_checkpoint(checkpoint, config, heads=2)
    assert import_checkpoint(checkpoint, config, heads=4).network[1]["heads"] == 4
    with pytest.raises(PolicyscopeError, match="cannot be split into 3 heads"):
        import_checkpoint(checkpoint, heads=3)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"type": "DuelingNetwork"}, "DuelingNetwork"),
        ({"self_attention_layer": {"type": "SelfAttention"}}, "self_attention_layer"),
        ({"output_layer": {"activation": "TANH"}}, "output_layer.activation.*TANH"),
        ({"attention_layer": {"dropout_factor": 0.1}}, "dropout_factor"),
        ({"presence_feature_idx": 3}, "presence_feature_idx"),
        ({"embedding_layer": {"layers": [64]}}, "embedding_layer.layers"),
        ({"attention_layer": {"feature_size": 128}}, "feature_size"),
        ({"attention_layer": {"heads": "four"}}, "four"),
    ],
)
def test_configurations_that_compute_something_else_are_refused(checkpoint, tmp_path, model, said):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model": model}))
    with pytest.raises(PolicyscopeError, match=said):
        import_checkpoint(checkpoint, config, heads=4)


def test_missing_and_unknown_weights_are_named(tmp_path, weights):
    del weights["attention_layer.key_all.weight"]
    weights["self_attention_layer.key_all.weight"] = torch.zeros(2, 2)
    path = tmp_path / "odd.tar"
    torch.save({"state_dict": weights, "optimizer": {}}, path)
    with pytest.raises(BadFile, match=r"missing.*key_all.*unknown.*self_attention"):
        import_checkpoint(path, heads=4)


def test_wrong_shape_and_not_finite_weights_are_named(tmp_path, weights):
    path = tmp_path / "odd.tar"
    torch.save({"state_dict": {**weights, "output_layer.predict.bias": torch.zeros(4)}}, path)
    with pytest.raises(BadFile, match=r"predict.bias has shape \(4,\), expected \(3,\)"):
        import_checkpoint(path, heads=4)
    weights["output_layer.predict.bias"][1] = float("nan")
    torch.save({"state_dict": weights}, path)
    with pytest.raises(BadFile, match=r"output_layer.predict.bias is not finite"):
        import_checkpoint(path, heads=4)


class Touch:
    """Pickles to a call that makes a folder when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["archive", "optimizer", "pickle"])
def test_a_file_that_would_run_code_is_refused_and_nothing_runs(tmp_path, weights, form):
    touched, path = tmp_path / "touched", tmp_path / "evil.tar"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Touch(touched)}))
    elif form == "archive":
        torch.save({"state_dict": Touch(touched)}, path)
    else:
        torch.save({"state_dict": weights, "optimizer": Touch(touched)}, path)
    with pytest.raises(BadFile) as caught:
        import_checkpoint(path, heads=4)
    assert "\n" not in str(caught.value)
    assert not touched.exists()
    if form != "pickle":  # the trap is real: an unsafe load springs it
        torch.load(path, weights_only=False)["optimizer" if form == "optimizer" else "state_dict"]
        assert touched.exists()


def test_every_truncation_gives_one_clear_line(checkpoint, tmp_path):
    data = checkpoint.read_bytes()
    path = tmp_path / "cut.tar"
    for share in (0, 0.01, 0.3, 0.7, 0.99, 0.9999):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(BadFile, match="truncated|damaged") as caught:
            import_checkpoint(path, heads=4)
        assert "\n" not in str(caught.value)


def test_flipped_bytes_give_a_clear_line_or_are_harmless(checkpoint, tmp_path):
    """The archive has checksums for every member, so no flipped weight slips through."""
    data = checkpoint.read_bytes()
    path = tmp_path / "bad.tar"
    original = import_checkpoint(checkpoint, heads=4).net.state_dict()
    refused = 0
    for place in torch.randint(0, len(data), (40,)).tolist():
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        try:
            weights = import_checkpoint(path, heads=4).net.state_dict()
        except BadFile:
            refused += 1
        else:
            assert all(torch.equal(v, original[k]) for k, v in weights.items())
    assert refused > 30


def test_other_content_is_refused(tmp_path):
    path = tmp_path / "other.tar"
    for write in (
        lambda: path.write_text("hello"),
        lambda: zipfile.ZipFile(path, "w").writestr("a.txt", "a"),
        lambda: torch.save([1, 2], path),
        lambda: torch.save({"state_dict": {"a": 1}}, path),
        lambda: torch.save({"state_dict": {"conv.weight": torch.zeros(2, 2)}}, path),
    ):
        write()
        with pytest.raises(BadFile) as caught:
            import_checkpoint(path, heads=4)
        assert "\n" not in str(caught.value)
    with pytest.raises(BadFile, match="no such file"):
        import_checkpoint(tmp_path / "absent.tar", heads=4)


def write_json(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))
    return path


def test_base_config_is_filled_in_below_the_child(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(
        tmp_path / "config/agents/base.json",
        {"gamma": 0.9, "model": {"type": "EgoAttentionNetwork", "attention_layer": {"heads": 1}}},
    )
    child = write_json(
        tmp_path / "config/agents/child.json",
        {
            "base_config": "config/agents/base.json",
            "model": {"attention_layer": {"heads": 4}, "self_attention_layer": None},
        },
    )
    assert read_config(child) == {
        "gamma": 0.9,
        "model": {
            "type": "EgoAttentionNetwork",
            "attention_layer": {"heads": 4},
            "self_attention_layer": None,
        },
    }


def test_base_config_is_found_from_any_working_folder(tmp_path, monkeypatch):
    write_json(tmp_path / "project/config/agents/base.json", {"gamma": 0.9})
    child = write_json(
        tmp_path / "project/config/agents/deep/child.json",
        {"base_config": "config/agents/base.json"},
    )
    monkeypatch.chdir("/")
    assert read_config(child) == {"gamma": 0.9}
    other = write_json(tmp_path / "here/config/agents/base.json", {"gamma": 0.5})
    monkeypatch.chdir(tmp_path / "here")
    assert read_config(child) == json.loads(other.read_text())


def test_missing_and_cyclic_bases_are_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    child = write_json(tmp_path / "a.json", {"base_config": "nowhere.json"})
    with pytest.raises(BadFile, match=r"base_config 'nowhere.json' is found neither"):
        read_config(child)
    write_json(tmp_path / "a.json", {"base_config": "b.json"})
    write_json(tmp_path / "b.json", {"base_config": "a.json"})
    with pytest.raises(BadFile, match="leads back to itself"):
        read_config(child)
    child.write_text("[1]")
    with pytest.raises(BadFile, match="no JSON object"):
        read_config(child)
    child.write_text("{")
    with pytest.raises(BadFile, match="not JSON"):
        read_config(child)
