"""Import a model of CleanRL (.cleanrl_model) and evaluate it.

python examples/import_cleanrl.py dqn.cleanrl_model gym:CartPole-v1

The file is a bare state dict: the algorithm is read from its names, the environment you say.
"""

import sys

from policyscope.agents.importers.recognise import import_agent
from policyscope.cli.tables import evaluation_tables
from policyscope.envs.spec import EnvSpec
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all
from policyscope.rollouts.summary import report

EPISODES = 4
if len(sys.argv) != 3:
    sys.exit(__doc__)
path, env = sys.argv[1:]

agent = import_agent(path, env=EnvSpec(env))
print(agent.card["algorithm"], agent.card.get("caution", ""))
policies = (agent_policy(agent), baseline("random", agent))
tables = evaluate_all(Plan(policies, agent.env, EPISODES, cached=False))
evaluation_tables("agent", report(tables.pop("agent"), tables))
