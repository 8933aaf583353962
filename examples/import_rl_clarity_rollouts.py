"""Read episodes of "Understanding RL Vision" (trajectories.jd, observations.jd) as a recording.

python examples/import_rl_clarity_rollouts.py coinrun.trajectories.jd procgen/coinrun
python examples/import_rl_clarity_rollouts.py coinrun.observations.jd procgen/coinrun

Observations alone become episodes of one step, whose actions and rewards are unknown.
"""

import sys
import tempfile
from pathlib import Path

from policyscope.envs.spec import EnvSpec
from policyscope.recordings.importers.recognise import import_episodes

if len(sys.argv) != 3:
    sys.exit(__doc__)
path, env = sys.argv[1:]

out = Path(tempfile.mkdtemp()) / "recording"
recording = import_episodes(path, out, "rl_clarity_rollouts", EnvSpec(env))
print(recording)
rows = recording.rows(["obs", "action"])
taken = sorted({recording.space.actions[a] for a in rows["action"].tolist() if a >= 0})
print("brightness of the frames:", rows["obs"].mean().round(1))
print("actions taken:", ", ".join(taken) or "unknown")
