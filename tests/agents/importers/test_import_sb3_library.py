"""Models trained by Stable-Baselines3 itself: images, stacked frames, VecNormalize, memory."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.contract import CHECKS
from policyscope.agents.importers.recognise import import_agent
from policyscope.agents.preprocess import Flat, Normalise
from policyscope.agents.store import load_agent, save_agent
from policyscope.cli.main import main
from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec

library = pytest.importorskip("stable_baselines3")
vectors = pytest.importorskip("stable_baselines3.common.vec_env")
pytestmark = pytest.mark.filterwarnings("ignore")
SIDE = 40


class Specks(gym.Env):
    """Noise of 40 x 40 pixels whose brightness follows the last action; eight steps."""

    observation_space = gym.spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)

    def __init__(self, continuous=False, stacked=1):
        self.continuous = continuous
        box, discrete = gym.spaces.Box(-0.5, 0.5, (2,)), gym.spaces.Discrete(3)
        self.action_space = box if continuous else discrete
        self.observation_space = gym.spaces.Box(0, 255, (SIDE, SIDE, 3 * stacked), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.last = 0, 0.0
        return self._seen(), {}

    def step(self, action):
        self.steps, self.last = self.steps + 1, float(np.sum(action))
        return self._seen(), self.last, False, self.steps >= 8, {}

    def _seen(self):
        shape, bright = self.observation_space.shape, int(np.clip(self.last, 0, 2))
        return self.np_random.integers(0, 100 + 70 * bright, shape).astype(np.uint8)


@pytest.fixture(autouse=True)
def _specks():
    gym.register("Specks-v0", entry_point=Specks)
    yield
    del gym.registry["Specks-v0"]


FEW = {
    "PPO": {"n_steps": 16, "batch_size": 16, "n_epochs": 2},
    "A2C": {},
    "DQN": {"learning_starts": 8, "buffer_size": 64},
    "RecurrentPPO": {"n_steps": 16, "batch_size": 16, "n_epochs": 2},
}


def algorithm(name):
    if name == "RecurrentPPO":
        return pytest.importorskip("sb3_contrib").RecurrentPPO
    return getattr(library, name)


def images(continuous=False, stack=1):
    made = vectors.DummyVecEnv([lambda: Specks(continuous)] * 2)
    made = vectors.VecFrameStack(made, stack) if stack > 1 else made
    return vectors.VecTransposeImage(made)


def trained(name, policy, env, **more):
    kind = algorithm(name)
    model = kind(policy, env, device="cpu", seed=1, **FEW[name], **more)
    model.learn(64)
    with torch.no_grad():  # so that no action stands out by training alone
        for weights in model.policy.parameters():
            weights += torch.randn_like(weights) * 0.02
    return model


def off(ours, theirs):
    return np.abs(np.asarray(ours) - np.asarray(theirs)).max()


def compare(agent: Agent, model, x, seen):
    """Outputs of the agent on x against the library's on what it is given.

    Returns:
        Largest difference of actions, values, and logits, means or Q-values.
    """
    theirs, _ = model.predict(seen, deterministic=True)
    with torch.no_grad():
        ours = agent.act(x, sample=False)
        given = torch.as_tensor(seen)
        gaps = [off(ours.action.numpy(), theirs)]
        if agent.head == "q":
            return max(*gaps, off(ours.outputs["q"], model.q_net(given)))
        gaps.append(off(ours.outputs["value"], model.policy.predict_values(given)[:, 0]))
        spread = model.policy.get_distribution(given).distribution
        if agent.head == "gaussian":
            gaps += [off(ours.outputs["mean"], spread.mean)]
            gaps += [off(ours.outputs["log_std"].exp(), spread.stddev)]
        else:
            gaps.append(off(ours.outputs["logits"].log_softmax(-1), spread.logits))
    return max(gaps)


@pytest.mark.parametrize(
    ("name", "continuous", "stack"),
    [
        ("PPO", False, 1), ("PPO", True, 4), ("A2C", False, 4), ("A2C", True, 1),
        ("DQN", False, 1), ("DQN", False, 4),
    ],
)  # fmt: skip
def test_parity_on_images_and_stacked_frames(tmp_path, name, continuous, stack):
    model = trained(name, "CnnPolicy", images(continuous, stack))
    model.save(tmp_path / "model.zip")
    env = EnvSpec("gym:Specks-v0", {"continuous": continuous, "stacked": stack})
    first, last = (import_agent(tmp_path / "model.zip", env=e) for e in (None, env))
    save_agent(last, tmp_path / "agent")
    shape = (20, 3 * stack, SIDE, SIDE)
    x = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert compare(first, model, x, x) <= 1e-5
    moved = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    for agent in (last, load_agent(tmp_path / "agent")):
        assert compare(agent, model, moved, x) <= 1e-5
    assert first.act(x[:1]).outputs.keys() == last.act(moved[:1]).outputs.keys()


def library_memory(model, observations):
    """Values, and logits or means, of the library over T steps of N episodes: (T, N, ...)."""
    policy, rows = model.policy, observations.shape[1]
    shape = (policy.lstm_hidden_state_shape[0], rows, policy.lstm_hidden_state_shape[2])
    actor = critic = (torch.zeros(shape), torch.zeros(shape))
    values, decided = [], []
    for t, x in enumerate(observations):
        first = torch.full((rows,), float(t == 0))
        seen = torch.as_tensor(x)
        with torch.no_grad():
            spread, after = policy.get_distribution(seen, actor, first)
            values.append(policy.predict_values(seen, critic, first)[:, 0])
            features = policy.extract_features(seen)
            if policy.lstm_critic is not None:
                _, critic = policy._process_sequence(features, critic, first, policy.lstm_critic)
            else:
                critic = after
        actor = after
        parts = spread.distribution
        decided.append(getattr(parts, "logits", None) if hasattr(parts, "logits") else parts.mean)
    return torch.stack(values), torch.stack(decided)


@pytest.mark.parametrize("critic", ["lstm", "linear", "shared"])
@pytest.mark.parametrize(("continuous", "stack"), [(False, 1), (True, 2)])
def test_parity_of_memory_on_images(tmp_path, critic, continuous, stack):
    kept = {"lstm_hidden_size": 16, "enable_critic_lstm": critic == "lstm"}
    kept |= {"shared_lstm": critic == "shared"}
    env = images(continuous, stack)
    model = trained("RecurrentPPO", "CnnLstmPolicy", env, policy_kwargs=kept)
    model.save(tmp_path / "model.zip")
    agent = import_agent(tmp_path / "model.zip")
    save_agent(agent, tmp_path / "agent")
    x = np.random.default_rng(0).integers(0, 256, (9, 3, 3 * stack, SIDE, SIDE), np.uint8)
    values, decided = library_memory(model, x)
    none = torch.zeros(9, 3, dtype=torch.bool)
    for who in (agent, load_agent(tmp_path / "agent")):
        with torch.no_grad():
            ours, _ = who.unroll(torch.as_tensor(x), None, none)
        assert off(ours["value"], values) <= 1e-5
        mine = ours["mean"] if continuous else ours["logits"].log_softmax(-1)
        assert off(mine, decided) <= 1e-5
    assert values.std() > 1e-3
    for check in CHECKS.values():
        check(agent, torch.as_tensor(x[:4, :2]))


def normalised(env, **more):
    made = library.common.env_util.make_vec_env(env, n_envs=2, seed=0)
    return vectors.VecNormalize(made, **more)


NUMBERS = [
    ("PPO", "CartPole-v1", {}), ("A2C", "Pendulum-v1", {"clip_obs": 1.5}),
    ("DQN", "CartPole-v1", {"epsilon": 0.1}), ("RecurrentPPO", "Pendulum-v1", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "env", "more"), NUMBERS)
def test_parity_behind_vecnormalize(tmp_path, name, env, more):
    scaled = normalised(env, **more)
    policy = "MlpLstmPolicy" if name == "RecurrentPPO" else "MlpPolicy"
    model = trained(name, policy, scaled)
    scaled.obs_rms.mean += 0.3
    model.save(tmp_path / "model.zip")
    scaled.save(tmp_path / "vecnormalize.pkl")
    agent = import_agent(tmp_path / "model.zip", env=EnvSpec(f"gym:{env}"))
    save_agent(agent, tmp_path / "agent")
    assert type(agent.preprocess) is Normalise
    assert agent.card["normalised"]["file"] == "vecnormalize.pkl"
    assert "caution" not in agent.card
    x = np.random.default_rng(0).normal(size=(200, *agent.space.obs_shape)).astype(np.float32) * 3
    seen = scaled.normalize_obs(x)
    assert off(x, seen) > 0.3
    for who in (agent, load_agent(tmp_path / "agent")):
        kept = who.preprocess
        assert off(kept(torch.as_tensor(x)), seen) <= 1e-6
        if name != "RecurrentPPO":
            assert compare(who, model, x, seen) <= 1e-5
            who.preprocess = torch.nn.Identity()
            assert compare(who, model, x, seen) > 1e-3
            who.preprocess = kept
            continue
        values, decided = library_memory(model, seen.reshape(20, 10, -1))
        with torch.no_grad():
            ours, _ = who.unroll(torch.as_tensor(x).view(20, 10, -1), None,
                                 torch.zeros(20, 10, dtype=torch.bool))  # fmt: skip
        assert max(off(ours["value"], values), off(ours["mean"], decided)) <= 1e-5
    assert agent.sites()["preprocess"].shape == agent.space.obs_shape


@pytest.fixture(scope="module")
def scaled_model(tmp_path_factory):
    """A model and its statistics, under the names of the library's checkpoint callback."""
    folder = tmp_path_factory.mktemp("scaled")
    scaled = normalised("CartPole-v1")
    model = trained("PPO", "MlpPolicy", scaled)
    model.save(folder / "rl_model_64_steps.zip")
    scaled.save(folder / "rl_model_vecnormalize_64_steps.pkl")
    return folder / "rl_model_64_steps.zip", scaled


def test_statistics_of_a_checkpoint_are_found_by_its_name(scaled_model):
    agent = import_agent(scaled_model[0])
    assert agent.card["normalised"]["file"] == "rl_model_vecnormalize_64_steps.pkl"


def test_missing_statistics_are_a_caution(scaled_model, tmp_path, capsys):
    path = tmp_path / "alone.zip"
    path.write_bytes(scaled_model[0].read_bytes())
    assert main(["import", str(path), "--out", str(tmp_path / "agent")]) == 0
    err = capsys.readouterr().err
    assert err.startswith("caution: it was trained behind VecNormalize")
    assert err.count("\n") == 1
    assert "--normalize" in load_agent(tmp_path / "agent").card["caution"]


@pytest.mark.parametrize("name", list(FEW))
@pytest.mark.parametrize("behind", [False, True])
def test_the_caution_is_given_where_the_file_tells(tmp_path, name, behind):
    """An on-policy model keeps unscaled observations behind VecNormalize alone, a DQN always."""
    made = library.common.env_util.make_vec_env("CartPole-v1", n_envs=2, seed=0)
    made = vectors.VecNormalize(made) if behind else made
    policy = "MlpLstmPolicy" if name == "RecurrentPPO" else "MlpPolicy"
    trained(name, policy, made).save(tmp_path / "model.zip")
    card = import_agent(tmp_path / "model.zip").card
    assert ("caution" in card) is (behind and name != "DQN")


def test_statistics_can_be_given(scaled_model, tmp_path, capsys):
    path, scaled = scaled_model
    scaled.save(tmp_path / "other.pkl")
    flags = ["--normalize", str(tmp_path / "other.pkl"), "--out", str(tmp_path / "agent")]
    assert main(["import", str(path), *flags]) == 0
    assert capsys.readouterr().err == ""
    agent = load_agent(tmp_path / "agent")
    assert agent.card["normalised"]["file"] == "other.pkl"
    assert torch.equal(agent.preprocess.mean, torch.as_tensor(scaled.obs_rms.mean))


def test_scaled_rewards_alone_leave_observations_as_they_are(tmp_path):
    scaled = normalised("CartPole-v1", norm_obs=False)
    trained("PPO", "MlpPolicy", scaled).save(tmp_path / "model.zip")
    scaled.save(tmp_path / "vecnormalize.pkl")
    agent = import_agent(tmp_path / "model.zip")
    assert type(agent.preprocess) is Flat
    assert "caution" not in agent.card


def test_spaces_that_were_drawn_from_are_read_too(tmp_path):
    scaled = normalised("CartPole-v1")
    trained("PPO", "MlpPolicy", scaled).save(tmp_path / "model.zip")
    for space in (scaled.action_space, scaled.observation_space):
        space.seed(3)
        space.sample()
    scaled.save(tmp_path / "vecnormalize.pkl")
    assert type(import_agent(tmp_path / "model.zip").preprocess) is Normalise


def test_a_model_of_its_own_is_not_normalised(tmp_path, scaled_model):
    made = library.common.env_util.make_vec_env("CartPole-v1", n_envs=2)
    trained("PPO", "MlpPolicy", made).save(tmp_path / "model.zip")
    scaled_model[1].save(tmp_path / "vecnormalize.pkl")
    agent = import_agent(tmp_path / "model.zip")
    assert type(agent.preprocess) is Flat
    assert "caution" not in agent.card


def test_statistics_for_images_are_refused(tmp_path, scaled_model):
    trained("PPO", "CnnPolicy", images()).save(tmp_path / "model.zip")
    scaled_model[1].save(tmp_path / "v.pkl")
    with pytest.raises(BadFile, match="this model's are images"):
        import_agent(tmp_path / "model.zip", normalize=tmp_path / "v.pkl")
