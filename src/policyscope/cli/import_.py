"""``policyscope import``: turn a foreign checkpoint into an agent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError

EXAMPLES = """Turn a foreign checkpoint into an agent. No code in the file is run.

examples:
  policyscope import latest.tar --config configs/ego_attention_4h.json --out runs/imported
  policyscope import latest.tar --heads 4 --out runs/imported
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope import``."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Checkpoint, e.g. a .tar of rl-agents."""
    out: Path
    """Folder to write the agent to; must not hold one."""
    config: Path | None = None
    """JSON configuration of the run; its base_config is followed."""
    heads: int | None = None
    """Attention heads, where no configuration says it."""
    env: str = "highway/intersection"
    """Environment it was trained in: a name of ours or gym:ID."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    lineage: Literal["rl_agents"] = "rl_agents"
    """Program that wrote the checkpoint."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope import``."""
    args = parse(Args, argv, "import", EXAMPLES)
    if args.heads is not None and args.heads < 1:
        raise PolicyscopeError(f"--heads must be positive, got {args.heads}")
    if args.out.is_file() or (args.out / "agent.json").exists():
        raise BadFile(args.out, "exists already", "choose another --out")
    from rich.console import Console

    from policyscope.agents.show import facts
    from policyscope.agents.store import save_agent
    from policyscope.core.provenance import provenance
    from policyscope.core.registry import find
    from policyscope.envs.make import parse_env

    load = find("importer", args.lineage)
    agent = load(args.file, args.config, args.heads, parse_env(args.env, args.env_set))
    agent.card["provenance"] = provenance(f"policyscope import {args.file.name}")
    save_agent(agent, args.out)
    told = facts(agent)
    Console(soft_wrap=True).print(
        f"{args.out}: {told['network']}, {told['parameters']} parameters", highlight=False
    )
    return 0
