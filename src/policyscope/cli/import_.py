"""``policyscope import``: turn a foreign checkpoint into an agent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError

EXAMPLES = """Turn a foreign checkpoint into an agent. No code in the file is run.

examples:
  policyscope import latest.tar --config configs/ego_attention_4h.json --out runs/imported
  policyscope import latest.tar --heads 4 --out runs/imported
  policyscope import coinrun.jd --out runs/clear
  policyscope import model_80412672.pth --env procgen/maze --out runs/maze
  policyscope import ppo_cartpole.zip --env gym:CartPole-v1 --out runs/cartpole
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope import``."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Checkpoint of rl-agents, rl_clarity, train-procgen-pytorch, CleanRL or Stable-Baselines3."""
    out: Path
    """Folder to write the agent to; must not hold one."""
    config: Path | None = None
    """JSON configuration of the run; its base_config is followed."""
    heads: int | None = None
    """Attention heads, where no configuration says it."""
    env: str | None = None
    """Environment it was trained in: a name of ours or gym:ID. Default: what its lineage says."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    lineage: str | None = None
    """Program that wrote it: cleanrl, procgen_pytorch, rl_agents, rl_clarity, stable_baselines3.
    Recognised from the content unless given."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope import``."""
    args = parse(Args, argv, "import", EXAMPLES)
    if args.heads is not None and args.heads < 1:
        raise PolicyscopeError(f"--heads must be positive, got {args.heads}")
    if args.out.is_file() or (args.out / "agent.json").exists():
        raise BadFile(args.out, "exists already", "choose another --out")
    from rich.console import Console

    from policyscope.agents.importers.recognise import ENVIRONMENTS, import_agent, recognise
    from policyscope.agents.show import facts
    from policyscope.agents.store import save_agent
    from policyscope.core.provenance import provenance
    from policyscope.envs.make import parse_env

    lineage = args.lineage or recognise(args.file)
    name = args.env or (ENVIRONMENTS.get(lineage) if args.env_set else None)
    if args.env_set and name is None:
        raise PolicyscopeError("--env-set is a setting of --env, which is missing")
    env = parse_env(name, args.env_set) if name else None
    agent = import_agent(args.file, lineage, config=args.config, heads=args.heads, env=env)
    agent.card["provenance"] = provenance(f"policyscope import {args.file.name}")
    save_agent(agent, args.out)
    told = facts(agent)
    Console(soft_wrap=True).print(
        f"{args.out}: {told['network']}, {told['parameters']} parameters", highlight=False
    )
    if "caution" in agent.card:
        Console(stderr=True, soft_wrap=True).print(f"caution: {agent.card['caution']}")
    return 0
