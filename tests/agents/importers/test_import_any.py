"""``policyscope import`` of image agents, and what the other verbs make of them."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.importers.recognise import import_agent, recognise
from policyscope.agents.store import load_agent
from policyscope.cli.main import main
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.recordings.read import Recording


class Flicker(gym.Env):
    """Noise of 64 x 64 pixels whose brightness follows the last action; twelve steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    action_space = gym.spaces.Discrete(15)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.last = 0, 0
        return self.render(), {}

    def step(self, action):
        self.steps, self.last = self.steps + 1, int(action)
        return self.render(), float(action == 7), False, self.steps >= 12, {}

    def render(self):
        return self.np_random.integers(0, 30 + 15 * self.last, (64, 64, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _flicker(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    gym.register("Flicker-v0", entry_point=Flicker)
    yield
    del gym.registry["Flicker-v0"]


def checkpoint(tmp_path, network, **arguments):
    net = build_network(network, {"widths": [2, 3, 3], "embedding": 8, **arguments})
    torch.nn.init.normal_(net.fc_policy.weight)
    path = tmp_path / "model_1000.pth"
    torch.save({"state_dict": net.state_dict()}, path)
    return path


def told(capsys, *argv):
    assert main([str(a) for a in argv]) == 0
    return capsys.readouterr().out


def refused(capsys, *argv):
    assert main([str(a) for a in argv]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(("network", "extra"), [("impala", {}), ("impala_gru", {"memory": 5})])
def test_an_imported_image_agent_is_shown_recorded_and_evaluated(tmp_path, capsys, network, extra):
    path, out, rec = checkpoint(tmp_path, network, **extra), tmp_path / "agent", tmp_path / "rec"
    words = told(capsys, "import", path, "--env", "gym:Flicker-v0", "--out", out)
    assert network in words
    assert words.splitlines()[-1] == ("environment: gym:Flicker-v0 (default settings), as given")
    shown = told(capsys, "show", out)
    for word in ("embedder.block1.res1.relu1", "2 x 32 x 32", "preprocess", "64 x 64 x 3 uint8"):
        assert word in shown
    assert load_agent(out).env.id == "gym:Flicker-v0"
    told(capsys, "record", out, "--episodes", "2", "--out", rec, "--workers", "0")
    recording, agent = Recording(rec), load_agent(rec)
    assert len(recording) == 2
    rows = recording.episode(1)
    obs = torch.as_tensor(rows["obs"].values)
    assert obs.dtype == torch.uint8
    first = torch.zeros(12, 1, dtype=torch.bool)
    with torch.no_grad():
        outputs, _ = agent.unroll(obs[:, None], None, first)
    gap = outputs["value"][:, 0] - torch.as_tensor(rows["value"].values)
    assert gap.abs().max() <= 1e-5
    flags = ("--episodes", 3, "--baselines", "untrained", "--workers", 0, "--no-cache")
    assert main([str(a) for a in ("evaluate", out, *flags)]) == 0
    said, warned = capsys.readouterr()
    assert "untrained" in said
    assert "own initial ones are unknown; --baselines none leaves it out, " in warned
    assert warned.count("\n") == 1
    told(capsys, "evaluate", out, "--episodes", 3, "--baselines", "random", "--workers", 0)
    assert "takes long" not in capsys.readouterr().err


def test_lineage_can_be_named_and_hints_must_mean_something(tmp_path, capsys):
    path, out = checkpoint(tmp_path, "impala"), tmp_path / "agent"
    assert recognise(path) == "procgen_pytorch"
    wrong = refused(capsys, "import", path, "--lineage", "rl_agents", "--heads", "2", "--out", out)
    assert "is no EgoAttentionNetwork" in wrong
    assert wrong.endswith(f"; {path.name} looks like --lineage procgen_pytorch\n")
    kept = refused(capsys, "import", path, "--lineage", "imitation", "--out", out)
    assert kept.endswith(f"; {path.name} looks like --lineage procgen_pytorch\n")
    right = refused(capsys, "import", path, "--lineage", "procgen_pytorch", "--heads", 2,
                    "--out", out)  # fmt: skip
    assert "looks like" not in right
    assert "--heads says nothing" in refused(capsys, "import", path, "--heads", "2", "--out", out)
    near = refused(capsys, "import", path, "--lineage", "procgen", "--out", out)
    assert "unknown lineage 'procgen'. Did you mean procgen_pytorch" in near
    assert "imitation, minari, procgen_pytorch, rl_agents, rl_clarity, rl_clarity_rollouts" in near
    assert near.endswith("; model.pth looks like --lineage procgen_pytorch\n") == (
        path.name == "model.pth"
    )
    alone = refused(capsys, "import", path, "--env-set", "a=1", "--out", out)
    assert "--env, which is missing" in alone
    with pytest.raises(PolicyscopeError, match="--heads says nothing"):
        import_agent(path, heads=2)
    with pytest.raises(UnknownName, match="unknown importer"):
        import_agent(path, "nothing")
    assert not out.exists()
    lines = told(capsys, "import", path, "--lineage", "procgen_pytorch", "--out", out)
    none = "environment: none is known, and none was given with --env"
    assert lines.splitlines()[-1] == none
    assert load_agent(out).card["lineage"].startswith("train-procgen-pytorch")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no checkpoint"),
        (b"text", "is no checkpoint"),
        (b"\x1f\x8b\x08rest", "is compressed"),
        (b"\x78\x9crest", "is compressed"),
        (b"PK\x03\x04rest", "is no checkpoint, or is truncated"),
        (b"\x80\x02}.", "holds no 'params' and 'args'"),
    ],
)
def test_foreign_bytes_are_one_clear_line(tmp_path, data, said):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(BadFile, match=said) as caught:
        import_agent(path)
    assert "\n" not in str(caught.value)
