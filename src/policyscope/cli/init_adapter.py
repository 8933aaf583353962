"""``policyscope init-adapter``: write the file that makes an agent of a network of one's own."""

import importlib.util
import keyword
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import write_text
from policyscope.core.plugins import VARIABLE
from policyscope.core.registry import names

EXAMPLES = f"""Write the file that makes an agent of a network of your own.

The file holds a small network for flat observations and discrete actions, its registration, and the
lines that save an agent. Put your own module in the network's place.

examples:
  policyscope init-adapter my_net
  policyscope init-adapter my_net --env gym:Acrobot-v1 --out agents/my_net.py
  python my_net.py runs/my_net
  {VARIABLE}=my_net.py policyscope doctor runs/my_net
"""

TEMPLATE = '''"""The policyscope agent '{name}'. Put your own module in the place of Network.

    python {file} runs/{name}              # writes the agent; a state dict may follow
    export {variable}={file}     # by which policyscope finds the network again
    policyscope doctor runs/{name}
"""

import sys
from math import prod
from pathlib import Path

import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.preprocess import Flat
from policyscope.agents.store import save_agent
from policyscope.core.registry import register
from policyscope.envs.make import make_lane, versioned
from policyscope.envs.spec import EnvSpec


class Network(nn.Module):
    """Logits and value; every nonlinearity is a module, so that it is a site."""

    recurrent = False

    def __init__(self, features: int, actions: int, width: int = 64):
        super().__init__()
        self.hidden, self.tanh = nn.Linear(features, width), nn.Tanh()
        self.policy, self.value = nn.Linear(width, actions), nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.tanh(self.hidden(x))
        return {{"logits": self.policy(x), "value": self.value(x)[:, 0]}}


register("network", "{name}", "{module}:Network")

if __name__ == "__main__":
    folder, *weights = sys.argv[1:] or ["runs/{name}"]
    lane = make_lane(versioned(EnvSpec("{env}")))
    space, env = lane.space, lane.spec
    lane.close()
    arguments = {{"features": prod(space.obs_shape), "actions": len(space.actions)}}
    net = Network(**arguments).eval()
    for path in weights:
        net.load_state_dict(torch.load(path, weights_only=True))
    made = ("{name}", arguments)
    agent = Agent(net, made, "categorical", space, "sample", preprocess=Flat(), env=env)
    save_agent(agent, Path(folder))
'''


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope init-adapter``."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name under which the network is registered, and of the file unless --out says otherwise."""
    out: Path | None = None
    """File to write; must not exist. Default: NAME.py."""
    env: str = "gym:CartPole-v1"
    """Environment it acts in, with discrete actions: a name of ours or gym:ID."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope init-adapter``."""
    args = parse(Args, argv, "init-adapter", EXAMPLES)
    out = args.out or Path(f"{args.name}.py")
    _check(args, out)
    write_text(out, TEMPLATE.format(
        name=args.name, file=out.name, module=out.stem, env=args.env, variable=VARIABLE
    ))  # fmt: skip
    sys.stdout.write(
        f"{out}: put your module in the place of Network, then\n"
        f"  python {out} runs/{args.name}\n"
        f"  export {VARIABLE}={out}\n"
        f"  policyscope doctor runs/{args.name}\n"
    )
    return 0


def _check(args: Args, out: Path) -> None:
    for what, word in (("NAME", args.name), ("--out's name", out.stem)):
        if not word.isidentifier() or keyword.iskeyword(word):
            raise PolicyscopeError(f"{what} '{word}' is no name for a module of Python")
    if args.name in names("network"):
        raise PolicyscopeError(
            f"a network '{args.name}' is registered already; choose another NAME"
        )
    if out.suffix != ".py":
        raise BadFile(out, "is no file of Python", "choose an --out that ends in .py")
    if out.exists():
        raise BadFile(out, "exists already", "choose another --out")
    if importlib.util.find_spec(out.stem) is not None:
        raise BadFile(out, f"a module '{out.stem}' is installed already", "choose another name")
    if not args.env.startswith("gym:") and args.env not in names("environment"):
        valid = ", ".join(["gym:ID", *names("environment")[:3]])
        raise PolicyscopeError(f"unknown environment '{args.env}'. Valid: {valid}, ...")
    from policyscope.envs.make import make_lane, parse_env

    lane = make_lane(parse_env(args.env))
    discrete = bool(lane.space.actions)
    lane.close()
    if not discrete:
        raise PolicyscopeError(f"{args.env} has continuous actions; the file is for discrete ones")
