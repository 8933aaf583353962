"""Read a folder of "generative visualisation" (real episodes or simulated samples) as a recording.

python examples/import_generative.py logdir procgen/coinrun
python examples/import_generative.py generative/rec_gen_mod_data procgen/coinrun

Row t is the decision on frame t. Value and memory of the agent that acted come with it.
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
recording = import_episodes(path, out, "generative", EnvSpec(env))
print(recording)
for note in recording.provenance["notes"]:
    print("note:", note)
rows = recording.rows(["value", "sites/memory.state"])
print("mean value:", rows["value"].mean().round(3))
print("memory:", "{} rows of {} numbers".format(*rows["sites/memory.state"].shape))
