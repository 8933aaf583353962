"""What every verb makes of agents of other programs: each works or says why not in one line."""

import os
from pathlib import Path

import pytest

from policyscope.agents.store import load_agent
from policyscope.cli.main import main
from policyscope.recordings.read import open_recording

COINRUN = Path(__file__).resolve().parents[3] / "shared" / "data" / "coinrun_clear.jd"
#: Name of an agent: its environment, and a site of it.
AGENTS = {
    "cartpole": ("gym:CartPole-v1", "mlp_extractor.policy_net.3"),
    "pendulum": ("gym:Pendulum-v1", "mlp_extractor.policy_net.3"),
    "coinrun": ("procgen/coinrun", "dense_relu"),
}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Gives the checkpoint of an agent, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def make(name):
        if name == "coinrun":
            pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
            if not COINRUN.is_file():
                pytest.skip("needs shared/data/coinrun_clear.jd beside the repository")
            return COINRUN
        library = pytest.importorskip("stable_baselines3")
        path = folder / f"{name}.zip"
        if not path.is_file():
            env = AGENTS[name][0].removeprefix("gym:")
            model = library.PPO("MlpPolicy", env, n_steps=32, batch_size=32, n_epochs=1, seed=1)
            model.learn(64)
            model.save(path)
        return path

    return make


@pytest.fixture(params=AGENTS)
def imported(request, files, tmp_path, capsys):
    """Name of an agent and its folder."""
    name, out = request.param, tmp_path / "agent"
    env = [] if name == "coinrun" else ["--env", AGENTS[name][0]]
    assert main(["import", str(files(name)), *env, "--out", str(out)]) == 0
    assert "parameters" in capsys.readouterr().out
    return name, out


def told(capsys, *argv):
    assert main([str(a) for a in argv]) == 0
    return capsys.readouterr().out


def refused(capsys, *argv):
    assert main([str(a) for a in argv]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


@pytest.fixture
def recorded(imported, tmp_path, capsys):
    """Name of an agent, its folder, and a recording of two short episodes."""
    name, agent = imported
    short = ["--env-set", "max_episode_steps=12"] if name == "pendulum" else []
    flags = ["--env", AGENTS[name][0], *short] if short else []
    out = tmp_path / "rec"
    told(capsys, "record", agent, "--episodes", 2, "--workers", 0, *flags, "--out", out)
    return name, agent, out


def test_show_tells_where_it_is_from(imported, capsys):
    name, agent = imported
    words = told(capsys, "show", agent)
    for word in (*AGENTS[name], "lineage", "source.sha256", "unused", "missing"):
        assert word in words
    assert load_agent(agent).card["missing"] == []


def test_record_and_show_of_the_recording(recorded, capsys):
    name, _, out = recorded
    rec, site = open_recording(out), AGENTS[name][1]
    assert (len(rec), rec.env.id) == (2, AGENTS[name][0])
    assert f"sites/{site}" in told(capsys, "show", out)
    rows = rec.rows(["obs", "value", f"sites/{site}"])
    assert rows["value"].std() > 0
    outputs = load_agent(out).act(rows["obs"]).outputs["value"].detach().numpy()
    assert abs(outputs - rows["value"]).max() <= 1e-5 * max(1, abs(outputs).max())


def test_evaluate_gives_a_return_with_its_interval(imported, capsys):
    name, agent = imported
    baselines = ["--baselines", "random"]
    flags = ["--episodes", 2, "--workers", 0, "--no-cache", *baselines]
    if name == "pendulum":
        flags += ["--env", AGENTS[name][0], "--env-set", "max_episode_steps=12"]
    words = told(capsys, "evaluate", agent, *flags)
    assert "n = 2 episodes" in words
    assert AGENTS[name][0] in words


def test_export_holds_both_episodes(recorded, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert "all 2 episodes" in told(capsys, "export", recorded[2], "--out", page)
    assert AGENTS[recorded[0]][1] in page.read_text()


def test_explain_traces_a_site_and_refuses_attention(recorded, tmp_path, capsys):
    name, _, out = recorded
    flags = ["--method", "traces", "--site", AGENTS[name][1], "--out", tmp_path / "traces"]
    assert f"Traces of {AGENTS[name][1]}" in told(capsys, "explain", out, *flags)
    assert "result of traces" in told(capsys, "show", tmp_path / "traces")
    wrong = refused(capsys, "explain", out, "--method", "attention")
    assert "has no attention layer to explain" in wrong


def test_watch_writes_a_video(imported, tmp_path, capsys, monkeypatch):
    pytest.importorskip("av")
    name, agent = imported
    if name != "coinrun":
        pytest.importorskip("pygame")
        monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
    short = ["--env", AGENTS[name][0], "--env-set", "max_episode_steps=12"]
    flags = ["--episodes", 1, "--size", 64, *(short if name == "pendulum" else [])]
    words = told(capsys, "watch", agent, *flags, "--out", tmp_path / "videos")
    assert "return" in words
    assert (tmp_path / "videos" / "seed_00000.mp4").stat().st_size > 1000
