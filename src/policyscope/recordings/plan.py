"""Plan of a recording: everything that decides its bytes, kept in ``recording.json``."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.fit import check_fit, fingerprint
from policyscope.agents.heads import RowNoise
from policyscope.agents.store import save_agent
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import read_json, write_json
from policyscope.core.sites import Site, select
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Start
from policyscope.recordings.shards.checksums import folder_sums, sealed
from policyscope.recordings.shards.store import shard_folder

SCHEMA = 1
LANES = 8
SHARD_EPISODES = 16
LARGEST_DEFAULT_SITE = 256
MOST_EPISODES = 1_000_000
#: Seeds are kept as numbers of 64 bits.
MOST_SEED = 2**63 - 1
#: The acting mode and the environment, and the seed, of episodes of another program that does not
#: say them (``recordings/importers``).
UNKNOWN, NO_SEED = "unknown", -1
_REPEATED = ("Linear", "Conv2d", "Identity", "Flat", "Scores", "Absent")
#: What may lie in a recording beside its header.
OPTIONAL = ("agent", "shards", "episodes.parquet", "notes.json")


@dataclass(frozen=True)
class Plan:
    """What to record; two recordings of equal plans have equal bytes.

    Args:
        env: the environment.
        space: its observations and actions.
        act: greedy, sample or, in episodes of another program, unknown.
        seed: seed of episode 0 and of the action noise; episode k starts from ``seed + k``. -1 in
            episodes of another program, which have none.
        episodes: how many.
        shard_episodes: how many of them make a shard.
        lanes: worlds in lockstep.
        sites: captured activations and their shapes.
        outputs: the network's outputs and their shapes.
        scene: background of the scene, JSON values.
        weights: SHA-256 of the agent's weights and architecture; empty where no agent is known.
        convolutional: those of the sites that are kept in float16.
        every: they are kept at steps of an episode that are multiples of this.
    """

    env: EnvSpec
    space: Space
    act: str
    seed: int
    episodes: int
    shard_episodes: int
    lanes: int
    sites: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    scene: dict[str, Any]
    weights: str
    convolutional: tuple[str, ...] = ()
    every: int = 1

    @property
    def thinned(self) -> tuple[str, ...]:
        """Sites that are not kept at every step."""
        return self.convolutional if self.every > 1 else ()

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.episodes // self.shard_episodes)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return json.loads(json.dumps({"schema": SCHEMA, **asdict(self)}))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Plan":
        """Inverse of ``to_json``; other entries are ignored."""
        taken: dict[str, Any] = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        for name in ("sites", "outputs"):
            taken[name] = {k: tuple(v) for k, v in taken[name].items()}
        taken["convolutional"] = tuple(taken.get("convolutional", ()))
        space: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in taken["space"].items()
        }
        return cls(**{**taken, "env": EnvSpec.from_json(taken["env"]), "space": Space(**space)})


def thinned_error(name: str, plan: Plan) -> PolicyscopeError:
    """The one line for a column that is wanted at every step and was not kept there."""
    return PolicyscopeError(
        f"'{name}' was kept at one step of {plan.every} only; ask for it alone: rows(['{name}']), "
        "or record again with --every 1"
    )


def default_sites(agent: Agent) -> list[str]:
    """Sites worth keeping when none are named: small nonlinearities, attention and residual sums.

    Left out is what follows from the sites before it (linear layers) or comes again in the one
    after it (scores before the mask), and everything above 256 units.
    """
    return [
        name
        for name, site in agent.sites().items()
        if site.kind not in _REPEATED and site.size <= LARGEST_DEFAULT_SITE
    ]


def convolutional(site: Site, space: Space) -> bool:
    """Whether a site holds feature maps: three axes, of an agent that sees images.

    Args:
        site: of the agent.
        space: what it sees.
    """
    return len(site.shape) == 3 and len(space.obs_shape) == 3


def make_plan(
    agent: Agent,
    spec: EnvSpec,
    episodes: int,
    seed: int,
    sites: Sequence[str] | None,
    *,
    act: str | None = None,
    shard_episodes: int = SHARD_EPISODES,
    every: int = 1,
) -> Plan:
    """Look at agent and environment once and fix everything that decides the recording.

    Args:
        agent: who decides.
        spec: where.
        episodes: how many.
        seed: seed of episode 0.
        sites: patterns of the activations to keep; None takes ``default_sites``.
        act: greedy or sample; default is the agent's own mode.
        shard_episodes: episodes in a shard.
        every: convolutional sites are kept at steps of an episode that are multiples of this.

    Raises:
        UnknownName: no such site.
        PolicyscopeError: the agent does not fit the environment, or a number is out of range.

    Cost: one world, one reset, two forward passes.
    """
    for name, value, least in (
        ("episodes", episodes, 1), ("seed", seed, 0), ("shard_episodes", shard_episodes, 1),
        ("every", every, 1),
    ):  # fmt: skip
        if value < least:
            raise PolicyscopeError(f"{name} must be at least {least}, got {value}")
    if episodes > MOST_EPISODES:
        told = f"a recording holds at most {MOST_EPISODES} episodes, got {episodes}"
        raise PolicyscopeError(f"{told}; make several, each with seeds of its own")
    if seed + episodes - 1 > MOST_SEED:
        raise PolicyscopeError(f"seeds must be at most {MOST_SEED}, got {seed + episodes - 1}")
    act = act or agent.acting
    if act not in ("greedy", "sample"):
        raise PolicyscopeError(f"act must be greedy or sample, got '{act}'")
    known = agent.sites()
    chosen = default_sites(agent) if sites is None else select(known, sites)
    stepper = make(spec)
    try:
        check_fit(agent, stepper.space)
        obs = stepper.start([Start(seed=seed)])
        noise = RowNoise(seed, np.zeros(1, int), np.zeros(1, int))
        with torch.no_grad():
            decision = agent.act(obs, sample=act == "sample", generator=noise)
        scene = stepper.call(0, "scene")
    finally:
        stepper.close()
    return Plan(
        env=stepper.spec,
        space=stepper.space,
        act=act,
        seed=seed,
        episodes=episodes,
        shard_episodes=shard_episodes,
        lanes=LANES,
        sites={name: known[name].shape for name in chosen},
        outputs={k: tuple(v.shape[1:]) for k, v in decision.outputs.items()},
        scene=json.loads(json.dumps(scene)),
        weights=fingerprint(agent),
        convolutional=tuple(n for n in chosen if convolutional(known[n], stepper.space)),
        every=every,
    )


def prepare(
    folder: Path, plan: Plan, agent: Agent, provenance: dict[str, Any], resume: bool = False
) -> None:
    """Begin a recording, or find it begun with the same plan.

    Args:
        folder: of the recording.
        plan: what is to be recorded.
        agent: copied into the folder; the copy's own environment is the recording's.
        provenance: where the recording comes from.
        resume: let one of fewer episodes grow. Its last shard goes if it is not full.

    Raises:
        BadFile: the folder holds something else or a recording of another plan.
    """
    if check_folder(folder, plan, resume):
        _grow(folder, plan, provenance)
        return
    folder.mkdir(parents=True, exist_ok=True)
    save_agent(replace(agent, env=plan.env), folder / "agent")
    write_header(folder, plan, provenance)


def write_header(folder: Path, plan: Plan, provenance: dict[str, Any]) -> None:
    """Write ``recording.json``, with checksums of the agent's files and of itself.

    Args:
        folder: of the recording; the agent's copy, if there is one, lies in it.
        plan: what is to be recorded.
        provenance: where the recording comes from.
    """
    values = {**plan.to_json(), "provenance": provenance}
    values["agent_files"] = folder_sums(folder / "agent")
    write_json(folder / "recording.json", sealed(values))


def _grow(folder: Path, plan: Plan, provenance: dict[str, Any]) -> None:
    """Give a recording of fewer episodes a plan of more; at every moment it can be gone on with."""
    values = read_header(folder)
    old = plan_of(folder, values)
    if old.episodes == plan.episodes:
        return
    last = unfilled(old)
    if last is not None and shard_folder(folder, last).is_dir():
        aside = shard_folder(folder, last).with_name(f".{last:05d}.grown.part")
        shard_folder(folder, last).rename(aside)
        shutil.rmtree(aside)
    grown = {**values, **plan.to_json(), "provenance": provenance}
    write_json(folder / "recording.json", sealed(grown))


def unfilled(plan: Plan) -> int | None:
    """Number of the last shard where it holds fewer episodes than others; None where it is full."""
    return plan.shards - 1 if plan.episodes % plan.shard_episodes else None


def check_folder(folder: Path, plan: Plan, resume: bool = False) -> bool:
    """Whether a recording of this plan was begun in a folder; false where it may begin.

    Args:
        folder: of the recording.
        plan: what is to be recorded.
        resume: accept one of fewer episodes.

    Raises:
        BadFile: the folder holds something else or a recording of another plan.
    """
    if (folder / "recording.json").is_file():
        old = read_plan(folder)
        differing = _differences(old, plan)
        if differing == ["episodes"]:
            if old.episodes > plan.episodes:
                cause = f"holds {old.episodes} episodes, more than {plan.episodes}"
                raise BadFile(folder, cause, "choose another folder")
            if not resume:
                mend = f"give --resume to add {plan.episodes - old.episodes}, or another folder"
                raise BadFile(folder, f"holds a recording of {old.episodes} episodes", mend)
            return True
        if resume and old.episodes < plan.episodes:
            differing.remove("episodes")
        if differing:
            raise BadFile(
                folder,
                f"holds a recording with another {', '.join(differing)}",
                "choose another folder or delete this one",
            )
        return True
    foreign = [p.name for p in _entries(folder) if p.name not in OPTIONAL]
    if foreign:
        raise BadFile(
            folder, f"exists and is no recording (holds {foreign[0]})", "choose another folder"
        )
    return False


def _entries(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise BadFile(folder, "is not a folder", "choose another path")
    return sorted(p for p in folder.iterdir() if not p.name.endswith(".part"))


def _differences(old: Plan, new: Plan) -> list[str]:
    mine, theirs = old.to_json(), new.to_json()
    return [
        {"weights": "agent weights"}.get(name, name) for name in mine if mine[name] != theirs[name]
    ]


def require_layout(folder: Path, shards: Sequence[int]) -> None:
    """Refuse a recording of an early version of this schema, whose chunks lie in folders.

    Args:
        folder: of the recording.
        shards: numbers of those that are there.

    Raises:
        BadFile: it is one.
    """
    if shards and (shard_folder(folder, shards[0]) / "arrays.zarr/episode/c").is_dir():
        raise BadFile(folder, "its arrays lie as early versions laid them", "record it again")


def read_plan(folder: Path) -> Plan:
    """Plan of a recording.

    Raises:
        BadFile: no recording, a damaged one, or one of another schema.
    """
    return plan_of(folder, read_header(folder))


def plan_of(folder: Path, values: dict[str, Any]) -> Plan:
    """Plan in the values of ``recording.json``.

    Args:
        folder: of the recording, for the message.
        values: as ``read_header`` gives them.

    Raises:
        BadFile: they are not those of a plan, as where another version wrote them.
    """
    numbers = ("seed", "episodes", "shard_episodes", "lanes", "every")
    wrong = [n for n in numbers if type(values.get(n, 1)) is not int]
    try:
        if not wrong:
            return Plan.from_json(values)
        cause = f"{wrong[0]} is no whole number"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        cause = f"cannot be read: {' '.join(repr(error).split())}"
    mend = "another version's or damaged; update policyscope or record it again"
    raise BadFile(folder / "recording.json", cause, mend)


def read_header(folder: Path) -> dict[str, Any]:
    """Values of ``recording.json``.

    Raises:
        BadFile: no recording, a damaged one, or one of another schema.
    """
    path = folder / "recording.json"
    if not path.is_file():
        mend = "make one with: policyscope record AGENT --out FOLDER"
        cause = "it holds no recording.json" if folder.is_dir() else "it is a file"
        cause = cause if folder.exists() else "there is no such folder"
        raise BadFile(folder, f"is no recording: {cause}", mend)
    values = read_json(path)
    found = values.get("schema") if isinstance(values, dict) else None
    if found != SCHEMA:
        newer = isinstance(found, int) and found > SCHEMA
        mend = "update policyscope" if newer else "record it again"
        raise BadFile(folder, f"recording schema {found}, this version reads {SCHEMA}", mend)
    missing = [f.name for f in fields(Plan) if f.default is MISSING and f.name not in values]
    if missing:
        raise BadFile(path, f"lacks {', '.join(missing)}", "record it again")
    return values
