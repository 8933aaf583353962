"""Keep episodes of CartPole as the library imitation did (.npz) and read them as a recording.

python examples/import_rollouts.py                # a pole that is pushed where it leans
python examples/import_rollouts.py final.npz      # rollouts of your own
"""

import sys
import tempfile
from pathlib import Path

import gymnasium
import numpy as np

from policyscope.envs.spec import EnvSpec
from policyscope.recordings.importers.recognise import import_episodes

folder = Path(tempfile.mkdtemp())
path, env = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "final.npz", None
if not path.exists():
    world, env = gymnasium.make("CartPole-v1"), EnvSpec("gym:CartPole-v1")
    obs, acts, rews, terminal, ends = [], [], [], [], []
    for seed in range(5):
        obs.append(world.reset(seed=seed)[0])
        done = False
        while not done:
            acts.append(int(obs[-1][2] > 0))
            seen, reward, terminated, truncated, _ = world.step(acts[-1])
            obs.append(seen)  # one more than there are actions
            rews.append(reward)
            done = terminated or truncated
        terminal.append(terminated)
        ends.append(len(acts))
    np.savez(path, obs=obs, acts=acts, rews=rews, terminal=terminal, indices=ends[:-1])

recording = import_episodes(path, folder / "recording", "imitation", env)
print(recording)
print("pushes to the right:", recording.rows(["action"])["action"].mean().round(3))
