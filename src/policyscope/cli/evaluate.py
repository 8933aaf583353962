"""``policyscope evaluate``: return, outcomes and length with intervals, beside baselines."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import write_text

if TYPE_CHECKING:
    import pandas as pd

    from policyscope.rollouts.baselines import Policy
    from policyscope.rollouts.evaluate import Progress

    Tables = dict[str, pd.DataFrame]

EXAMPLES = """Return, outcomes and length of an agent with intervals, beside baselines.

Finished parts are kept in a cache: after Ctrl-C the same command goes on where it stopped.

examples:
  policyscope evaluate highway-ego-attention --episodes 500
  policyscope evaluate runs/fast-0 --weights checkpoints/step_0050000 --workers 2
  policyscope evaluate runs/fast-0 --baselines random,constant:FASTER --json -
  policyscope evaluate runs/fast-0 --episodes 500 --baseline-episodes all --card
  policyscope evaluate runs/maze-0 --env procgen/maze --mode easy --episodes 300
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope evaluate``."""

    agent: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="AGENT")]
    """Folder of an agent or of a training run, or a shipped agent's name."""
    episodes: int = 100
    """Episodes to run, all of them to their end."""
    seed: int = 0
    """Seed of the first episode; the others follow. Evaluation has the seeds 0..9999."""
    baselines: str = "random,untrained"
    """Comma-separated: random, untrained, memoryless, constant:ACTION; 'none' for none. For agents
    of images untrained is the dear part: its episodes last longer (ten times, in CoinRun), and a
    decision takes twice as long where initial weights are unknown. The same call again takes it
    from the cache; --baselines random leaves it out."""
    baseline_episodes: int | Literal["all"] = 200
    """Episodes of each baseline: the first ones of the agent's, with which they are paired; 'all'
    for as many as the agent."""
    env: str | None = None
    """Another environment than the agent's own: a name of ours or gym:ID."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    mode: str | None = None
    """Mode of a Procgen environment, e.g. easy; short for --env-set mode=easy."""
    act: str | None = None
    """greedy or sample; default is the agent's own mode."""
    weights: str | None = None
    """Other weights of the same folder: initial or checkpoints/NAME."""
    workers: int | None = None
    """Processes, for speed only; 0 is this one; default: one a core."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the table."""
    cache: bool = True
    """Use and fill the cache of finished episodes."""
    card: bool = False
    """Write the evaluation into the agent's card too."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope evaluate``."""
    args = parse(Args, argv, "evaluate", EXAMPLES)
    if args.json not in (None, "-") and not Path(args.json).resolve().parent.is_dir():
        raise BadFile(args.json, "its folder does not exist", "make it, or choose another --json")
    if args.card and (args.weights or args.env or args.env_set or args.mode):
        raise PolicyscopeError(
            "--card is for the agent's own weights and environment; leave out --weights, --env, "
            "--env-set and --mode"
        )
    from policyscope.agents.store import add_to_card, load_agent
    from policyscope.cli.environment import choose_env
    from policyscope.rollouts.baselines import agent_policy, baseline
    from policyscope.rollouts.evaluate import Plan, evaluate_all
    from policyscope.rollouts.summary import report

    agent = load_agent(args.agent, args.weights)
    names = [n.strip() for n in args.baselines.split(",") if n.strip() not in ("", "none")]
    others = [baseline(name, agent, args.act) for name in dict.fromkeys(names)]
    env = choose_env(agent, args.env, args.env_set, args.mode)
    if any(_dear(policy) for policy in others):
        left = ",".join(name for name in names if name != "untrained") or "none"
        sys.stderr.write(
            "untrained takes long here: images, and fresh weights for each episode, as the agent's "
            f"own initial ones are unknown; --baselines {left} leaves it out, "
            "--baseline-episodes N plays fewer\n"
        )
    plan = Plan(
        (agent_policy(agent, args.act), *others), env, args.episodes, args.seed, args.cache,
        None if args.baseline_episodes == "all" else args.baseline_episodes,
    )  # fmt: skip
    tables = _with_progress(
        lambda tell: evaluate_all(plan, _workers(args, plan.work), tell), args.cache
    )
    values = report(tables.pop("agent"), tables)
    if args.card:
        add_to_card(args.agent, "evaluation", values)
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
        return 0
    if args.json:
        write_text(args.json, text)
    from policyscope.cli.tables import evaluation_tables

    evaluation_tables(args.agent, values)
    return 0


def _dear(policy: "Policy") -> bool:
    """Whether each episode has a network of its own that sees images."""
    return policy.fresh and len(policy.agent.space.obs_shape) > 2


def _workers(args: Args, shards: int) -> int:
    """As many as asked for; by default one a core where there is enough work for them."""
    if args.workers is not None:
        return args.workers
    return 0 if shards < 4 else min(os.cpu_count() or 1, shards)


def _with_progress(run: "Callable[[Progress], Tables]", kept: bool) -> "Tables":
    """Run with a bar on stderr, so that stdout holds the answer alone.

    Args:
        run: takes what it tells its progress to.
        kept: whether what is done is kept after Ctrl-C.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = ("episodes", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("episodes")
        try:
            return run(lambda done, total: bar.update(task, completed=done, total=total))
        except KeyboardInterrupt:
            done, total = int(bar.tasks[0].completed), bar.tasks[0].total
            told = f"{done} of {total} episodes are in the cache; the same command goes on"
            raise KeyboardInterrupt(f"interrupted; {told}" if kept and done else "") from None
