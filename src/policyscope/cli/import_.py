"""``policyscope import``: turn a foreign checkpoint into an agent."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.bar import working
from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName

if TYPE_CHECKING:
    from policyscope.envs.spec import EnvSpec

EXAMPLES = """Turn a foreign checkpoint into an agent, or kept episodes into a recording.
No code in the file is run.

examples:
  policyscope import latest.tar --config configs/ego_attention_4h.json --out runs/imported
  policyscope import latest.tar --heads 4 --out runs/imported
  policyscope import coinrun.jd --out runs/clear
  policyscope import model_80412672.pth --env procgen/maze --out runs/maze
  policyscope import ppo_cartpole.zip --env gym:CartPole-v1 --out runs/cartpole
  policyscope import ppo.zip --normalize vecnormalize.pkl --env gym:Pendulum-v1 --out runs/pendulum
  policyscope import rollouts.npz --env gym:CartPole-v1 --out runs/rollouts
  policyscope import ~/.minari/datasets/D4RL/door/human-v2 --out runs/door
  policyscope import logdir --env procgen/coinrun --out runs/real
"""
#: Flags that say something of an agent alone.
_OF_AGENTS = ("config", "heads", "normalize")
#: Lineages that are folders.
_OF_FOLDERS = ("generative", "minari")


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope import``."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Checkpoint of rl-agents, rl_clarity, train-procgen-pytorch, CleanRL or Stable-Baselines3, or
    episodes of rl_clarity (observations.jd, trajectories.jd) or imitation (.npz), or a folder: a
    Minari dataset, or episodes or samples of "generative visualisation" (data_gen_model_E.csv)."""
    out: Path
    """Folder to write the agent or the recording to; must not hold one."""
    config: Path | None = None
    """JSON configuration of the run; its base_config is followed."""
    heads: int | None = None
    """Attention heads, where no configuration says it."""
    env: str | None = None
    """Environment it was trained in: a name of ours or gym:ID. Default: what its lineage says."""
    env_set: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """Setting of the environment, key=value; may be repeated."""
    normalize: Path | None = None
    """Statistics of observations that Stable-Baselines3 saved beside the model (vecnormalize.pkl).
    Default: a file of that name beside it."""
    lineage: str | None = None
    """Program that wrote it: cleanrl, procgen_pytorch, rl_agents, rl_clarity, stable_baselines3;
    for episodes generative, imitation, minari, rl_clarity_rollouts. Recognised from the content
    unless given."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope import``."""
    args = parse(Args, argv, "import", EXAMPLES)
    if args.heads is not None and args.heads < 1:
        raise PolicyscopeError(f"--heads must be positive, got {args.heads}")
    held = [(args.out / f"{what}.json").exists() for what in ("agent", "recording")]
    if args.out.is_file() or any(held):
        raise BadFile(args.out, "exists already", "choose another --out")
    from policyscope.core.registry import names
    from policyscope.recordings.importers.recognise import KIND, recognise_episodes

    if args.file.is_dir() and args.lineage and args.lineage not in _OF_FOLDERS:
        raise BadFile(args.file, "is a folder, not a file", "name a file in it")
    if args.lineage:
        return _named(args, args.lineage, args.lineage in names(KIND))
    kept = recognise_episodes(args.file)
    if args.file.is_dir() and not kept:
        mend = "episodes of the datasets library: save them as .npz"
        raise BadFile(args.file, "is a folder of no kind that is known here", mend)
    return _episodes(args, kept) if kept else _agent(args)


def _named(args: Args, lineage: str, episodes: bool) -> int:
    """Import by the importer that the user names; one that fails says which looks right."""
    from policyscope.core.registry import names
    from policyscope.recordings.importers.recognise import KIND

    valid = [*names("importer"), *names(KIND)]
    try:
        if lineage not in valid:
            raise UnknownName("lineage", lineage, valid)
        return _episodes(args, lineage) if episodes else _agent(args)
    except PolicyscopeError as error:
        looks = _looks(args.file)
        if looks in (None, lineage):
            raise
        cause = str(error).removesuffix(".")
        raise PolicyscopeError(f"{cause}; {args.file.name} looks like --lineage {looks}") from None


def _looks(path: Path) -> str | None:
    """Lineage of a file by its content; None where that says nothing."""
    from policyscope.agents.importers.recognise import recognise
    from policyscope.recordings.importers.recognise import recognise_episodes

    try:
        return recognise_episodes(path) or (None if path.is_dir() else recognise(path))
    except PolicyscopeError:
        return None


def _agent(args: Args) -> int:
    from policyscope.agents.importers.recognise import ENVIRONMENTS, import_agent, recognise
    from policyscope.agents.show import facts
    from policyscope.agents.store import save_agent
    from policyscope.core.provenance import provenance

    lineage = args.lineage or recognise(args.file)
    env = _env(args, ENVIRONMENTS.get(lineage))
    hints = {name: getattr(args, name) for name in _OF_AGENTS}
    agent = import_agent(args.file, lineage, env=env, **hints)
    versions = agent.env.versions if agent.env else ()
    agent.card["provenance"] = provenance(f"policyscope import {args.file.name}", None, versions)
    with _whole(args.out):
        save_agent(agent, args.out)
    told = facts(agent)
    _tell(f"{args.out}: {told['network']}, {told['parameters']} parameters")
    guessed = f"guessed, for {lineage} names none (another: --env)"
    _tell_env(agent.env, args, guessed if lineage in ENVIRONMENTS else "as the file says")
    if "caution" in agent.card:
        _warn(f"caution: {agent.card['caution']}")
    return 0


def _episodes(args: Args, lineage: str) -> int:
    from policyscope.recordings.importers.recognise import import_episodes
    from policyscope.recordings.plan import UNKNOWN

    for name in _OF_AGENTS:
        if getattr(args, name) is not None:
            raise PolicyscopeError(f"--{name} says nothing about episodes of lineage {lineage}")
    command = f"policyscope import {args.file.resolve().name}"
    with working("importing episodes"):
        recording = import_episodes(args.file, args.out, lineage, _env(args), command)
    steps = int(recording.episodes["steps"].sum())
    counts = f"{len(recording):,} episodes, {steps:,} steps"
    _tell(f"{args.out}: a recording of {counts}, by an unknown policy ({lineage})")
    known = None if recording.env.id == UNKNOWN else recording.env
    _tell_env(known, args, "as the file says")
    for note in recording.provenance["notes"]:
        _warn(f"note: {note}")
    return 0


def _env(args: Args, default: str | None = None) -> "EnvSpec | None":
    from policyscope.envs.make import parse_env

    name = args.env or (default if args.env_set else None)
    if args.env_set and name is None:
        raise PolicyscopeError("--env-set is a setting of --env, which is missing")
    return parse_env(name, args.env_set) if name else None


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """Leave nothing in a folder that was not there, if the block fails."""
    was_there = folder.exists()
    try:
        yield
    except BaseException:
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _tell_env(env: "EnvSpec | None", args: Args, source: str) -> None:
    """Say the environment and how it is known."""
    from policyscope.cli.environment import env_text

    if env is None:
        _tell("environment: none is known, and none was given with --env")
        return
    _tell(f"environment: {env_text(env.to_json())}, {'as given' if args.env else source}")


def _tell(line: str) -> None:
    from rich.console import Console

    Console(soft_wrap=True, markup=False).print(line, highlight=False)


def _warn(line: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, markup=False).print(line, highlight=False)
