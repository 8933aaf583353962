import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from policyscope.agents.store import checkpoints, load_agent, load_weights
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.envs.make import make, parse_env
from policyscope.training.checkpoint import load_state, only_trainer
from policyscope.training.dqn import train as dqn
from policyscope.training.dqn.config import PRESETS
from policyscope.training.dqn.train import Plan, choose_network, train
from policyscope.training.log import read_curve
from policyscope.training.settings import configure

SMALL = ["lanes=4", "learn_start=64", "batch=32", "memory=500"]


def plan(out: Path, steps: int = 160, workers: int = 0, **changes) -> Plan:
    values = {
        "env": parse_env("highway/intersection", []),
        "config": configure(PRESETS, "fast", SMALL),
        "steps": steps,
        "seed": 3,
        "out": out,
        "checkpoints": 2,
        "save_every": 50,
        "workers": workers,
        **changes,
    }
    return Plan(**values)


def same_weights(a: Path, b: Path) -> bool:
    one, two = (load_weights(p / "weights.safetensors") for p in (a, b))
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def curve(run: Path) -> list[dict]:
    return [{k: v for k, v in r.items() if k != "seconds"} for r in read_curve(run / "curve.jsonl")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(plan(out))
    return out


def test_a_run_is_a_loadable_agent_with_initial_weights_and_checkpoints(whole):
    agent = load_agent(whole)
    assert agent.space.actions == ("SLOWER", "IDLE", "FASTER")
    assert agent.card["seed"] == 3
    assert checkpoints(whole) == ["checkpoints/step_0000080", "checkpoints/step_0000160"]
    moved = [not torch.equal(agent.initial[k], v) for k, v in agent.net.state_dict().items()]
    assert any(moved)
    torch.manual_seed(3)
    fresh = dqn.build_network(*agent.network).state_dict()
    assert all(torch.equal(fresh[k], agent.initial[k]) for k in fresh)


def test_number_of_processes_does_not_change_the_weights(whole, tmp_path):
    train(plan(tmp_path / "two", workers=2))
    assert same_weights(whole, tmp_path / "two")
    assert curve(whole) == curve(tmp_path / "two")


def test_another_seed_gives_other_weights(whole, tmp_path):
    train(plan(tmp_path / "other", seed=4))
    assert not same_weights(whole, tmp_path / "other")


def train_until(at: int, out: Path, monkeypatch) -> None:
    """Train, and be interrupted at the start of a round."""
    advance, rounds = dqn.advance, 0

    def interrupting(learner, actor):
        nonlocal rounds
        rounds += 1
        if rounds == at:
            raise KeyboardInterrupt
        advance(learner, actor)

    with monkeypatch.context() as patched:
        patched.setattr(dqn, "advance", interrupting)
        with pytest.raises(KeyboardInterrupt):
            train(plan(out))


@pytest.mark.parametrize("at", [1, 19, 30])
def test_interrupted_and_resumed_gives_the_same_weights(whole, tmp_path, monkeypatch, at):
    train_until(at, tmp_path / "run", monkeypatch)
    state = load_state(tmp_path / "run")
    assert load_agent(tmp_path / "run").card["steps"] == (state[1]["step"] if state else 0)
    train(plan(tmp_path / "run"), resume=True)
    assert same_weights(whole, tmp_path / "run")
    assert curve(whole) == curve(tmp_path / "run")


def test_a_resume_that_forgets_the_replay_is_caught(whole, tmp_path, monkeypatch):
    """The wrong variant (rl-agents restores the weights only) ends elsewhere."""
    train_until(30, tmp_path / "run", monkeypatch)

    def forgetful(self, arrays, values):
        self.step = values["step"]

    monkeypatch.setattr(dqn.Actor, "restore", forgetful)
    train(plan(tmp_path / "run"), resume=True)
    assert not same_weights(whole, tmp_path / "run")


def wait_for(file: Path, process: subprocess.Popen) -> None:
    """Until a process has begun its run: on a busy machine that takes it long."""
    for _ in range(1200):
        if file.exists() or process.poll() is not None:
            return
        time.sleep(0.05)


@pytest.mark.timeout(400)
@pytest.mark.slow  # about 40 s
def test_killed_at_random_moments_and_resumed_gives_the_same_weights(tmp_path):
    flags = ["--preset", "fast", "--steps", "1600", "--seed", "5", "--save-every", "150"]
    for text in SMALL:
        flags += ["--set", text]

    def command(out: Path, *more: str) -> list[str]:
        program = [sys.executable, "-m", "policyscope.cli.main", "train", "dqn"]
        return [*program, *flags, "--out", str(out), *more]

    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    random = np.random.default_rng(0)
    for kill in range(4):
        more = ["--resume"] if (tmp_path / "killed" / "run.json").exists() else []
        process = subprocess.Popen(
            command(tmp_path / "killed", *more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(tmp_path / "killed" / "run.json", process)
        time.sleep(float(random.uniform(0.5, 4)))
        process.send_signal(signal.SIGKILL if kill % 2 else signal.SIGINT)
        process.wait()
    subprocess.run(command(tmp_path / "killed", "--resume"), check=True, capture_output=True)
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    assert curve(tmp_path / "whole") == curve(tmp_path / "killed")


def test_a_curve_written_before_the_state_survives_a_kill(whole, tmp_path, monkeypatch):
    """Rows wait in a buffer; a kill right after a state was saved must not lose them."""
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "import test_dqn_run as t\n"
        "from policyscope.training.dqn import train as dqn\n"
        "save = dqn._save\n"
        "def save_and_die(plan, learner, actor):\n"
        "    save(plan, learner, actor); os._exit(9)\n"
        "dqn._save = save_and_die\n"
        "dqn.train(t.plan(Path(sys.argv[2])))\n"
    )
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", script, here, str(tmp_path / "run")]
    assert subprocess.run(command, capture_output=True).returncode == 9
    train(plan(tmp_path / "run"), resume=True)
    assert curve(whole) == curve(tmp_path / "run")
    assert same_weights(whole, tmp_path / "run")


def test_resume_without_a_run_is_an_error(tmp_path):
    """Spec 5.19: recovering from nothing must not quietly train from scratch."""
    with pytest.raises(BadFile, match="no run to resume"):
        train(plan(tmp_path / "typo"), resume=True)
    assert not (tmp_path / "typo").exists()


def test_resume_of_a_run_whose_state_is_gone_is_an_error(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(next((tmp_path / "run").glob("state-*")))
    before = (tmp_path / "run/weights.safetensors").read_bytes()
    with pytest.raises(BadFile, match="state is gone"):
        train(plan(tmp_path / "run"), resume=True)
    assert (tmp_path / "run/weights.safetensors").read_bytes() == before


def test_what_cannot_be_trained_claims_no_folder(tmp_path):
    continuous = parse_env("gym:Pendulum-v1", [])
    with pytest.raises(PolicyscopeError, match="continuous"):
        train(plan(tmp_path / "run", env=continuous))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(BadFile, match="something else"):
        train(plan(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_numbers_out_of_range_are_refused(tmp_path):
    with pytest.raises(PolicyscopeError, match="save_every"):
        train(plan(tmp_path / "run", save_every=0))


def test_threads_and_random_state_of_the_caller_stay(tmp_path):
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    train(plan(tmp_path / "run", steps=16))
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_num_threads(1)


def test_exploration_ticks_before_the_action_and_decays_as_the_spec_says():
    c = configure(PRESETS, "paper", [])
    stepper = make(parse_env("highway/intersection", []), 1)
    actor = dqn.Actor.begin(stepper, c, seed=0)
    assert actor.epsilon() == pytest.approx(0.05 + 0.95 * np.exp(-1 / 15_000), abs=1e-12)
    actor.step = 14_999
    assert actor.epsilon() == pytest.approx(0.05 + 0.95 / np.e, abs=1e-12)
    stepper.close()


def test_a_corrupted_state_is_named(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    state = next((tmp_path / "run").glob("state-*"))
    (state / "arrays.safetensors").write_bytes(b"torn")
    with pytest.raises(BadFile, match="corrupted training state"):
        train(plan(tmp_path / "run"), resume=True)
    (state / "state.json").write_text("{}")
    with pytest.raises(BadFile, match="training state"):
        train(plan(tmp_path / "run"), resume=True)


def test_a_folder_that_holds_a_run_is_not_overwritten(whole):
    before = (whole / "weights.safetensors").read_bytes()
    with pytest.raises(PolicyscopeError, match="--resume"):
        train(plan(whole))
    with pytest.raises(PolicyscopeError, match="otherwise: steps is 160 there, 400 was asked for"):
        train(plan(whole, steps=400), resume=True)
    assert (whole / "weights.safetensors").read_bytes() == before


def test_paper_preset_is_the_recipe_of_the_spec():
    c = configure(PRESETS, "paper", [])
    assert (c.gamma, c.n_step, c.batch, c.memory, c.target_every) == (0.95, 1, 64, 15_000, 512)
    assert (c.lr, c.lr_final, c.clip, c.huber, c.average) == (5e-4, 5e-4, 1.0, False, 0.0)
    assert (c.epsilon_start, c.epsilon_end, c.epsilon_tau) == (1.0, 0.05, 15_000)
    assert (c.lanes, c.overlap, c.updates_per_step) == (1, False, 1.0)
    assert c.truncation_bootstraps


def test_paper_preset_makes_one_update_a_step_once_64_are_stored(tmp_path):
    train(plan(tmp_path / "run", steps=100, config=configure(PRESETS, "paper", [])))
    state = json.loads(next((tmp_path / "run").glob("state-*/state.json")).read_text())
    assert state["updates"] == 100 - 63


def test_settings_are_checked():
    assert configure(PRESETS, "paper", ["gamma=1"]).gamma == 1.0
    with pytest.raises(UnknownName, match="gamma"):
        configure(PRESETS, "paper", ["gama=0.9"])
    with pytest.raises(UnknownName, match="paper"):
        configure(PRESETS, "papper", [])
    with pytest.raises(PolicyscopeError, match="takes a int"):
        configure(PRESETS, "paper", ["batch=many"])
    for wrong in ("gamma=2", "lr=-1", "batch=0", "average=1.5", "memory=10"):
        with pytest.raises(PolicyscopeError, match=wrong.split("=")[0]):
            configure(PRESETS, "paper", [wrong])


def test_two_processes_do_not_train_in_one_folder(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(next((tmp_path / "run").glob("state-*")))
    shutil.rmtree(tmp_path / "run/checkpoints")
    with only_trainer(tmp_path / "run"), pytest.raises(BadFile, match="another process"):
        train(plan(tmp_path / "run"), resume=True)
    assert same_weights(whole, tmp_path / "run")  # nothing was begun anew over the other's work


def test_other_spaces_are_refused_by_name_or_given_a_perceptron():
    space = dqn.Space((4,), "float32", actions=("0", "1"))
    assert choose_network(space, configure(PRESETS, "fast", []))[0] == "mlp"
    with pytest.raises(PolicyscopeError, match="continuous"):
        choose_network(
            dqn.Space((4,), "float32", action_low=(-1.0,)), configure(PRESETS, "fast", [])
        )
    with pytest.raises(PolicyscopeError, match="shape"):
        choose_network(
            dqn.Space((64, 64, 3), "uint8", actions=("0",)), configure(PRESETS, "fast", [])
        )
