"""Import a DQN with ego-attention of rl-agents and evaluate it.

python examples/import_rl_agents.py latest.tar configs/IntersectionEnv/agents/DQNAgent/ego.json

The file does not say how many attention heads there are; the configuration does.
"""

import sys

from policyscope.agents.importers.recognise import import_agent
from policyscope.cli.tables import evaluation_tables
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all
from policyscope.rollouts.summary import report

EPISODES = 4
if len(sys.argv) != 3:
    sys.exit(__doc__)
path, config = sys.argv[1:]

agent = import_agent(path, config=config)
print(agent.network, "updates:", agent.card["updates"])
policies = (agent_policy(agent), baseline("random", agent))
tables = evaluate_all(Plan(policies, agent.env, EPISODES, cached=False))
evaluation_tables("agent", report(tables.pop("agent"), tables))
