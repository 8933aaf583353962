"""Read a Minari dataset as a recording; without one, a recording is written as one and read back.

python examples/import_minari.py                                          # two crossings
python examples/import_minari.py ~/.minari/datasets/D4RL/door/human-v2    # a dataset of your own
"""

import sys
import tempfile
from pathlib import Path

from policyscope.agents.store import load_agent
from policyscope.recordings.exchange.minari import write_dataset
from policyscope.recordings.importers.recognise import import_episodes
from policyscope.recordings.record import record

folder = Path(tempfile.mkdtemp())
path = Path(sys.argv[1]).expanduser() if len(sys.argv) > 1 else folder / "cars-v0"
if not path.exists():
    agent = load_agent("highway-ego-attention")
    write_dataset(record(agent, episodes=2, sites=(), out=folder / "made"), path, ["outputs"])

recording = import_episodes(path, folder / "recording", "minari")
print(recording)
print("environment:", recording.env.id, "mean return:", recording.episodes["return"].mean())
