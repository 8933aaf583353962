"""Make an agent of a network of your own, by the file that ``policyscope init-adapter`` writes.

python examples/import_module.py

The network here is the file's own; its weights push the pole of CartPole where it leans. Put your
module in the place of ``Network`` and give the file your state dict.
"""

import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from policyscope.cli.main import main

folder = Path(tempfile.mkdtemp())
adapter, weights, agent = folder / "my_net.py", folder / "weights.pt", folder / "agent"
main(["init-adapter", "my_net", "--env", "gym:CartPole-v1", "--out", str(adapter)])

net = runpy.run_path(str(adapter))["Network"](features=4, actions=2)
for value in net.parameters():
    torch.nn.init.zeros_(value)
with torch.no_grad():
    net.hidden.weight[0] = torch.tensor([0.0, 0.0, 1.0, 0.5])  # angle and its speed
    net.policy.weight[:, 0] = torch.tensor([-20.0, 20.0])  # left, right
torch.save(net.state_dict(), weights)

subprocess.run([sys.executable, str(adapter), str(agent), str(weights)], check=True)
os.environ["POLICYSCOPE_PLUGINS"] = str(adapter)  # by which its network is found again
sys.exit(main(["evaluate", str(agent), "--episodes", "10", "--workers", "0", "--no-cache"]))
