"""Import an agent of "Understanding RL Vision" (.jd, clear or IMPALA) and evaluate it.

python examples/import_rl_clarity.py coinrun.jd

The environment is the one that the file names, e.g. procgen/coinrun.
"""

import sys

from policyscope.agents.importers.recognise import import_agent
from policyscope.cli.tables import evaluation_tables
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all
from policyscope.rollouts.summary import report

EPISODES = 2

if len(sys.argv) != 2:
    sys.exit(__doc__)
agent = import_agent(sys.argv[1])
print(agent.card["lineage"], "for", agent.env, "unused:", agent.card["unused"])
policies = (agent_policy(agent), baseline("random", agent))
tables = evaluate_all(Plan(policies, agent.env, EPISODES, cached=False))
evaluation_tables("agent", report(tables.pop("agent"), tables))
