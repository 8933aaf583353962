"""Import a checkpoint of train-procgen-pytorch, feed-forward or with a GRU, and evaluate it.

python examples/import_procgen_pytorch.py model_80412672.pth procgen/coinrun
"""

import sys

from policyscope.agents.importers.recognise import import_agent
from policyscope.cli.tables import evaluation_tables
from policyscope.envs.spec import EnvSpec
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all
from policyscope.rollouts.summary import report

EPISODES = 2
if len(sys.argv) != 3:
    sys.exit(__doc__)
path, env = sys.argv[1:]

agent = import_agent(path, env=EnvSpec(env))
print(agent.network, "memory" if agent.recurrent else "no memory")
policies = (agent_policy(agent), baseline("random", agent))
tables = evaluate_all(Plan(policies, agent.env, EPISODES, cached=False))
evaluation_tables("agent", report(tables.pop("agent"), tables))
