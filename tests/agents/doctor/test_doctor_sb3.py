"""The library's own policy, built from plain text and weights, is the original; nothing is run."""

import json
import zipfile

import pytest
import torch

from policyscope.agents.doctor.examine import examine
from policyscope.agents.doctor.origin import compare_origin
from policyscope.agents.doctor.originals import find_original
from policyscope.agents.doctor.parity import parity
from policyscope.agents.importers.recognise import import_agent
from policyscope.agents.store import save_agent
from policyscope.cli.main import main
from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec

pytestmark = pytest.mark.filterwarnings("ignore")
CARTPOLE, PENDULUM = EnvSpec("gym:CartPole-v1"), EnvSpec("gym:Pendulum-v1")
MODELS = {
    "PPO": ("stable_baselines3", "MlpPolicy", CARTPOLE, {"n_steps": 16, "batch_size": 16}),
    "A2C": ("stable_baselines3", "MlpPolicy", PENDULUM, {}),
    "DQN": ("stable_baselines3", "MlpPolicy", CARTPOLE, {"learning_starts": 5}),
    "relu": (
        "stable_baselines3", "MlpPolicy", CARTPOLE,
        {"policy_kwargs": {"activation_fn": torch.nn.ReLU, "net_arch": {"pi": [9], "vf": [7, 5]}}},
    ),
    "RecurrentPPO": (
        "sb3_contrib", "MlpLstmPolicy", CARTPOLE,
        {"n_steps": 16, "batch_size": 16, "policy_kwargs": {"lstm_hidden_size": 8}},
    ),
    "shared": (
        "sb3_contrib", "MlpLstmPolicy", PENDULUM,
        {"n_steps": 16, "batch_size": 16, "policy_kwargs": {
            "lstm_hidden_size": 8, "shared_lstm": True, "enable_critic_lstm": False,
            "net_arch": [6],
        }},
    ),
}  # fmt: skip


@pytest.fixture
def model(tmp_path):
    """Save a model of the library; its path and the agent imported from it."""

    def make(name):
        library, policy, env, options = MODELS[name]
        algorithms = pytest.importorskip(library)
        algorithm = name if hasattr(algorithms, name) else "PPO"
        algorithm = "RecurrentPPO" if library == "sb3_contrib" else algorithm
        made = getattr(algorithms, algorithm)(
            policy, env.id.removeprefix("gym:"), device="cpu", seed=0, **options
        )
        made.learn(32)
        path = tmp_path / f"{name}.zip"
        made.save(path)
        return path, import_agent(path, env=env)

    return make


@pytest.mark.parametrize("name", MODELS)
def test_the_librarys_policy_equals_the_imported_agent(model, name):
    path, agent = model(name)
    obs = torch.randn(5, 4, *agent.space.obs_shape)
    found = parity(agent, find_original(agent, path).original, obs)
    assert found.precision == "float64"
    assert max(found.gaps.values()) <= 1e-12
    assert max(found.rounding.values()) > 0
    assert found.left_out == ()
    head = {"q": {"q"}, "categorical": {"logits", "value"}}
    assert set(found.gaps) == head.get(agent.head, {"mean", "log_std", "value"})


@pytest.mark.parametrize("name", ["PPO", "DQN", "RecurrentPPO"])
def test_the_doctor_passes_an_import_and_fails_other_weights(model, name):
    path, agent = model(name)
    report = examine(agent, 40, original=path)
    assert report.passed
    verdicts = {f.name: f.verdict for f in report.findings}
    assert verdicts["parity"] == verdicts["weights"] == "passed"
    origin = compare_origin(agent, path)
    assert origin.missing == ()
    assert len(origin.unused) == (6 if name == "DQN" else 0)
    assert all(unused.startswith("q_net_target.") for unused in origin.unused)
    with torch.no_grad():
        next(agent.net.parameters()).mul_(1.01)
    wrong = {f.name: f.verdict for f in examine(agent, 40, original=path).findings}
    assert wrong["parity"] == wrong["weights"] == "FAILED"


def test_an_activation_that_was_read_wrongly_is_seen(model):
    path, agent = model("relu")
    assert agent.network[1]["activation"] == "relu"
    original = find_original(agent, path).original
    agent.net.mlp_extractor["policy_net"][1] = torch.nn.Tanh()
    found = parity(agent, original, torch.randn(3, 4, 4))
    assert not found.check.passed
    assert found.gaps["value"] <= 1e-12 < found.gaps["logits"]


def test_memory_that_is_not_handed_on_is_seen(model):
    path, agent = model("RecurrentPPO")
    original = find_original(agent, path).original
    obs = torch.randn(4, 3, 4)
    assert not parity(agent, lambda x, state: original(x, None), obs).check.passed


def test_images_with_channels_last_are_turned(tmp_path, lineages):
    library = pytest.importorskip("stable_baselines3")
    import gymnasium as gym
    import numpy as np

    class Camera(gym.Env):
        observation_space = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        action_space = gym.spaces.Discrete(3)

        def reset(self, seed=None, options=None):
            return self.observation_space.sample(), {}

        def step(self, action):
            return self.observation_space.sample(), 0.0, True, False, {}

    made = library.PPO("CnnPolicy", Camera(), device="cpu", n_steps=8, batch_size=8)
    made.save(tmp_path / "model.zip")
    agent = import_agent(tmp_path / "model.zip")
    original = find_original(agent, tmp_path / "model.zip").original
    first = parity(agent, original, lineages.frames(2, 3).permute(0, 1, 4, 2, 3))
    assert max(first.gaps.values()) <= 1e-12
    agent.preprocess.channels_last = True
    last = parity(agent, original, lineages.frames(2, 3))
    assert last.gaps == first.gaps
    origin = compare_origin(agent, tmp_path / "model.zip")
    assert all(name.startswith(("pi_", "vf_", "features")) for name in origin.unused)
    assert len(origin.unused) == 16


def test_normalised_observations_reach_the_librarys_policy_normalised(model):
    from policyscope.agents.preprocess import Normalise

    path, agent = model("PPO")
    agent.preprocess = Normalise([1.0, 2.0, 3.0, 4.0], [4.0] * 4)
    original = find_original(agent, path).original
    assert parity(agent, original, torch.randn(3, 4, 4)).check.passed
    agent.preprocess = torch.nn.Identity()
    assert parity(agent, original, torch.randn(3, 4, 4)).check.passed


def rewritten(path, **changes):
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    settings = json.loads(parts["data"])
    settings.update(changes)
    parts["data"] = json.dumps(settings).encode()
    other = path.with_name("other.zip")
    with zipfile.ZipFile(other, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return other


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policy_class": {"__module__": "my.policies", "__init__": "<function Mine.__i at 0>"}},
         "my.policies.Mine is none of the library's"),
        ({"policy_class": None}, "none of the library's"),
        ({"policy_kwargs": {"net_arch": [3]}}, "cannot be built from it"),
        ({"policy_kwargs": {"secret": [3]}}, "setting secret cannot be given"),
        ({"policy_kwargs": {"activation_fn": "<class 'os.system'>"}}, "setting activation_fn"),
        ({"policy_kwargs": {"net_arch": "(" * 5000 + ")" * 5000}}, "cannot be built from it"),
        ({"policy_kwargs": {"net_arch": {"pi": {"a": 1}}}}, "cannot be built from it"),
        ({"policy_kwargs": {"net_arch": [10**400]}}, "cannot be built from it"),
    ],
)  # fmt: skip
def test_settings_that_the_library_cannot_take_are_one_clear_line(model, changes, said):
    path, agent = model("PPO")
    with pytest.raises(BadFile, match=said) as caught:
        find_original(agent, rewritten(path, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"), [(b"{", "not JSON"), (b"[" * 100_000, "nested too deeply")]
)
def test_settings_that_cannot_be_read_are_one_clear_line(
    sb3, tmp_path, canary, planted, capsys, data, said
):
    path = sb3.written(tmp_path, {}, sb3.actor_critic(), data=data)
    agent = planted("Plain")
    with pytest.raises(BadFile, match=said) as caught:
        examine(agent, 32, original=path)
    assert "\n" not in str(caught.value)
    settings = sb3.settings(canary, sb3.SEEN, sb3.DONE)
    good = sb3.written(tmp_path, settings, sb3.actor_critic(), "good.zip")
    save_agent(import_agent(good), tmp_path / "agent")
    assert main(["doctor", str(tmp_path / "agent"), "--rows", "32", "--original", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_no_pickle_in_the_file_is_opened(sb3, tmp_path, canary):
    told = {"__module__": "stable_baselines3.common.policies",
            "__init__": "<function ActorCriticPolicy.__init__ at 0>"}  # fmt: skip
    values = sb3.settings(canary, sb3.box((4,)), sb3.discrete(2), clip_range=0)
    values["policy_class"].update(told)
    values["policy_kwargs"] = {"net_arch": {"pi": [9, 7], "vf": [5]}}
    path = sb3.written(tmp_path, values, sb3.actor_critic())
    agent = import_agent(path)
    pytest.importorskip("stable_baselines3")
    assert parity(agent, find_original(agent, path).original, torch.randn(3, 4, 4)).check.passed


def test_a_missing_library_is_told(model, monkeypatch):
    import policyscope.agents.doctor.sb3_original as module

    path, agent = model("RecurrentPPO")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    found = find_original(agent, path)
    assert found.original is None
    assert "pip install sb3-contrib" in found.told
