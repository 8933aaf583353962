"""Train a PPO of Stable-Baselines3 behind VecNormalize, import it and evaluate it.

python examples/import_sb3.py            # 4,000 steps on CartPole, about 10 s
python examples/import_sb3.py 100000
"""

import sys
import tempfile
from pathlib import Path

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from policyscope.agents.importers.recognise import import_agent
from policyscope.cli.tables import evaluation_tables
from policyscope.envs.spec import EnvSpec
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all
from policyscope.rollouts.summary import report

EPISODES = 5
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 4000

folder = Path(tempfile.mkdtemp())
world = VecNormalize(make_vec_env("CartPole-v1", n_envs=4, seed=0))
model = PPO("MlpPolicy", world, n_steps=128, batch_size=128, device="cpu", seed=0)
model.learn(steps)
model.save(folder / "ppo.zip")
world.save(folder / "vecnormalize.pkl")  # the statistics lie in a file of their own

agent = import_agent(folder / "ppo.zip", env=EnvSpec("gym:CartPole-v1"))
print(agent.preprocess, agent.card["algorithm"], agent.card["normalised"]["file"])
policies = (agent_policy(agent), baseline("random", agent))
tables = evaluate_all(Plan(policies, agent.env, EPISODES, cached=False))
evaluation_tables("PPO", report(tables.pop("agent"), tables))
