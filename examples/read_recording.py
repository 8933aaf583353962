"""Read a recording of an agent with attention: an episode a line, with its self-attention.

python examples/read_recording.py runs/rec
"""

import sys

from policyscope.recordings.read import open_recording

rec = open_recording(sys.argv[1])
rows = rec.rows(["sites/attention_layer.pattern"])
rows["self_attention"] = rows["sites/attention_layer.pattern"][:, :, 0, 0].mean(axis=1)
own = [rows["self_attention"][rows["episode"] == k].mean() for k in rec.episodes["episode"]]
print(rec.episodes[["seed", "steps", "return", "outcome"]].assign(self_attention=own).to_string())
