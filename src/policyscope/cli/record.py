"""``policyscope record``: record episodes of an agent."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from policyscope.cli.flags import parse
from policyscope.core.errors import PolicyscopeError

if TYPE_CHECKING:
    from rich.console import Console

    from policyscope.agents.agent import Agent
    from policyscope.recordings.plan import Plan

LONG = 20.0
#: Of the expected steps: where they may differ by more, the range is printed.
WIDE = 0.2

EXAMPLES = """Record episodes: observations, activations, scene, decisions and their consequences.

The same command goes on where a killed or interrupted one stopped, to the same bytes. With --resume
and more --episodes, it adds the missing ones.

examples:
  policyscope record highway-ego-attention --episodes 20 --out runs/rec
  policyscope record runs/fast-0 --sites 'attention_layer.*' 'output_layer.*' --out runs/rec
  policyscope record highway-ego-attention --episodes 50 --resume --out runs/rec
  policyscope record runs/ppo-0 --act sample --seed 500 --workers 2 --out runs/rec
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope record``."""

    agent: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="AGENT")]
    """Folder of an agent or of a training run, or a shipped agent's name."""
    out: str
    """Folder of the recording, or a URL of any file system that fsspec knows, e.g. s3://bucket/rec."""
    episodes: int = 20
    """Episodes to record, all of them to their end."""
    seed: int = 0
    """Seed of the first episode; the others follow. 0..9999 are kept for evaluation."""
    sites: list[str] | None = None
    """Activations to keep, * and ? as in a shell, or none; default: small nonlinear ones."""
    env: str | None = None
    """Another environment than the agent's own: a name of ours or gym:ID."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    mode: str | None = None
    """Mode of a Procgen environment, e.g. easy; short for --env-set mode=easy."""
    act: Literal["greedy", "sample"] | None = None
    """Default is the agent's own mode."""
    weights: str | None = None
    """Other weights of the same folder: initial or checkpoints/NAME."""
    workers: int | None = None
    """Processes, 0 for this one; bytes do not depend on it. Default: one a core where it pays."""
    cluster: str | None = None
    """Address of a dask scheduler, e.g. tcp://host:8786, whose workers record; docs/cluster.md."""
    shard_episodes: int = 16
    """Episodes written at a time; a killed recorder loses at most one shard per process."""
    every: int = 1
    """Keep convolutional sites (in float16) at each K-th step of an episode, from its first on."""
    resume: bool = False
    """Where --out holds a recording of fewer episodes, add the missing ones."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope record``."""
    args = parse(Args, argv, "record", EXAMPLES)
    if args.workers is not None and args.workers < 0:
        raise PolicyscopeError(f"--workers must be 0 or more, got {args.workers}")
    if args.workers is not None and args.cluster is not None:
        raise PolicyscopeError(
            "--workers is for this machine; a cluster brings its own, leave it out"
        )
    from rich.console import Console

    from policyscope.agents.store import load_agent
    from policyscope.cli.environment import choose_env
    from policyscope.recordings.plan import make_plan
    from policyscope.recordings.record import check_out
    from policyscope.recordings.show import show_recording
    from policyscope.rollouts.cluster import require_cluster

    agent = load_agent(args.agent, args.weights)
    spec = choose_env(agent, args.env, args.env_set, args.mode)
    sites = [] if args.sites == ["none"] else args.sites
    plan = make_plan(
        agent, spec, args.episodes, args.seed, sites,
        act=args.act, shard_episodes=args.shard_episodes, every=args.every,
    )  # fmt: skip
    check_out(args.out, plan, args.resume)
    if args.cluster is not None:
        require_cluster(args.cluster)
    _record(agent, plan, args, Console(stderr=True, highlight=False), shlex.join(argv))
    show_recording(args.out, Console(highlight=False))
    return 0


def _record(agent: "Agent", plan: "Plan", args: Args, console: "Console", line: str) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from policyscope.recordings.record import record_plan

    workers = _announce(agent, plan, args, console)
    columns = (
        TextColumn("shards"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("shards", total=plan.shards)
        try:
            record_plan(
                agent,
                plan,
                args.out,
                workers=workers,
                cluster=args.cluster,
                resume=args.resume,
                progress=lambda done, _: bar.update(task, completed=done),
                command=f"policyscope record {line}",
            )
        except KeyboardInterrupt:
            done = int(bar.tasks[0].completed)
            told = f"{done} of {plan.shards} shards are kept; the same command goes on"
            raise KeyboardInterrupt(f"interrupted; {told}" if done else "") from None


def _announce(agent: "Agent", plan: "Plan", args: Args, console: "Console") -> int:
    """Print the budget and choose the number of workers."""
    from policyscope.recordings.budget import estimate
    from policyscope.recordings.show import size_text

    budget = estimate(agent, plan)
    cores = min(os.cpu_count() or 1, plan.shards)
    asked = 0 if args.cluster else args.workers
    workers = asked if asked is not None else (cores if budget.seconds > LONG else 0)
    about = "about" if budget.ended else "at least"
    wide = budget.ended and budget.high - budget.low > WIDE * budget.steps
    between = f" ({budget.low} to {budget.high})" if wide else ""
    where = f"{workers} worker{'s' * (workers > 1)}" if workers else "this process"
    if args.cluster:
        where = f"one worker of {args.cluster}"
    console.print(
        f"{plan.episodes} episode{'s' * (plan.episodes > 1)}, shards: {plan.shards}, "
        f"sites: {len(plan.sites)}, acting {plan.act}: {about} "
        f"{budget.steps} steps{between}, {size_text(budget.bytes)} on disk, "
        f"{budget.seconds_with(workers):.0f} s in {where}",
        soft_wrap=True,
    )
    if plan.convolutional:
        when = f"one step of {plan.every}" if plan.every > 1 else "every step (--every K: of K one)"
        console.print(
            f"convolutional sites: {len(plan.convolutional)} in float16, at {when}: "
            f"{size_text(budget.convolutional)} of it",
            soft_wrap=True,
        )
    return workers
