"""Record episodes: what an agent saw, thought and did, and what came of it."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.agents.store import load_agent
from policyscope.core.errors import BadFile, PolicyscopeError, system_cause
from policyscope.core.provenance import provenance
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Stepper
from policyscope.recordings.plan import (
    SHARD_EPISODES,
    Plan,
    check_folder,
    make_plan,
    prepare,
    read_plan,
)
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.shards.gather import gather, slimmed
from policyscope.recordings.shards.open_shards import OpenShards
from policyscope.recordings.shards.remote import (
    TABLE,
    RemoteRecorder,
    begun,
    check_url,
    gather_tables,
    is_url,
)
from policyscope.recordings.shards.store import (
    ShardReader,
    finished_shards,
    rebuild_episodes,
    remove_parts,
    shard_folder,
    unwritable,
    write_shard,
)
from policyscope.rollouts.loop import Watch, rollout, seeded_episodes
from policyscope.rollouts.shards import map_shards

Progress = Callable[[int, int], None]


def record(
    agent: Agent,
    spec: EnvSpec | None = None,
    episodes: int = 20,
    seed: int = 0,
    sites: Sequence[str] | None = None,
    out: str | Path = "recording",
    *,
    act: str | None = None,
    workers: int = 0,
    shard_episodes: int = SHARD_EPISODES,
    every: int = 1,
    cluster: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    command: str | None = None,
) -> Recording:
    """Record episodes; into a folder begun with the same arguments it goes on where it stopped.

    Args:
        agent: who decides. Its copy in the folder, on the CPU, is what is run.
        spec: where; default is the environment the agent was made for.
        episodes: how many; episode k starts from seed ``seed + k``.
        seed: seed of episode 0 and of the action noise.
        sites: patterns of activations to keep; None keeps the small nonlinear ones, () none.
        out: folder of the recording, or a URL of any file system that fsspec knows.
        act: greedy or sample; default is the agent's own mode.
        workers: processes; 0 records in this one. The bytes are the same.
        shard_episodes: episodes in a shard, the unit that a killed recorder can lose.
        every: convolutional sites are kept at steps of an episode that are multiples of this.
        cluster: address of a dask scheduler whose workers record in place of processes of this
            machine; they must reach ``out``. The bytes are the same.
        resume: add what is missing to a recording of fewer episodes; the bytes are those of one
            made in one go.
        progress: called with the numbers of finished and of all shards.
        command: the command line or Python line, for the provenance.

    Raises:
        UnknownName: no such site.
        BadFile: the folder holds something else, or cannot be written to.
        PolicyscopeError: the agent does not fit the environment.

    Cost: one forward pass and one environment step a decision; ``benchmarks/record.py``.
    """
    spec = spec or agent.env
    if spec is None:
        raise PolicyscopeError("the agent names no environment; give one (--env)")
    plan = make_plan(
        agent, spec, episodes, seed, sites, act=act, shard_episodes=shard_episodes, every=every
    )
    return record_plan(
        agent, plan, out, workers=workers, cluster=cluster, resume=resume, progress=progress,
        command=command,
    )  # fmt: skip


def check_out(out: str | Path, plan: Plan, resume: bool = False) -> None:
    """Refuse a place where a plan cannot be recorded; nothing is left there.

    Args:
        out: folder of the recording, or its URL.
        plan: what is to be recorded.
        resume: accept a recording of fewer episodes there.

    Raises:
        BadFile: it holds something else, cannot be reached, or cannot be written to.
    """
    if is_url(out):
        check_url(str(out), plan, resume)
        return
    folder = Path(out)
    check_folder(folder, plan, resume)
    if finished_shards(folder) == list(range(plan.shards)):
        return
    there = next(above for above in (folder, *folder.absolute().parents) if above.exists())
    try:
        with TemporaryDirectory(dir=there, prefix=".", suffix=".part"):
            pass
    except OSError as error:
        cause = f"cannot write the recording: {system_cause(error)}"
        raise BadFile(folder, cause, "choose another folder or mend its permissions") from None


def record_plan(
    agent: Agent,
    plan: Plan,
    out: str | Path,
    *,
    workers: int = 0,
    cluster: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    command: str | None = None,
) -> Recording:
    """Record what a plan says; see ``record``.

    Args:
        agent: the agent the plan was made for.
        plan: what to record.
        out: folder of the recording, or its URL.
        workers: processes; 0 records in this one.
        cluster: address of a dask scheduler.
        resume: add what is missing to a recording of fewer episodes.
        progress: called with the numbers of finished and of all shards.
        command: the command line or Python line, for the provenance.
    """
    source = provenance(command, plan.seed, plan.env.versions)
    made = partial(prepare, plan=plan, agent=agent, provenance=source, resume=resume)
    hands = partial(map_shards, workers=workers, cluster=cluster)
    if is_url(out):
        with begun(str(out), plan, made, resume) as (place, local):
            recorder = RemoteRecorder(str(out), ShardRecorder)
            _shards(recorder, place.shards(), plan.shards, hands, progress)
            gather_tables(place, local, range(plan.shards))
            rebuild_episodes(local, list(range(plan.shards)))
            place.put_file(local / TABLE, TABLE)
        return open_recording(str(out))
    folder = Path(out)
    try:
        check_folder(folder, plan, resume)
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            remove_parts(folder)
            made(folder)
            done = finished_shards(folder)
            for number in done:
                ShardReader(shard_folder(folder, number))
            try:
                _shards(ShardRecorder(str(folder)), done, plan.shards, hands, progress)
            finally:
                remove_parts(folder)
            rebuild_episodes(folder, list(range(plan.shards)))
    except OSError as error:
        raise unwritable(folder, "the recording", error) from None
    return open_recording(folder)


def _shards(
    recorder: "ShardRecorder | RemoteRecorder",
    done: Sequence[int],
    total: int,
    hands: Callable[..., Any],
    progress: Progress | None,
) -> None:
    """Let hands record the shards that are not done."""
    finished = len(done)

    def report(_shard: int) -> None:
        nonlocal finished
        finished += 1
        if progress:
            progress(finished, total)

    if progress:
        progress(finished, total)
    try:
        hands(recorder, [n for n in range(total) if n not in done], progress=report)
    finally:
        recorder.close()


class ShardRecorder:
    """Computes and writes shards of a begun recording, knowing nothing but its folder.

    Args:
        folder: of the recording.
    """

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self._ready: tuple[Plan, Agent, Stepper] | None = None

    def __call__(self, number: int) -> int:
        """Record one shard.

        Args:
            number: number of the shard.

        Returns:
            How many rows it holds.
        """
        [(_, rows)] = self.stream(iter([number]))
        return rows

    def stream(self, numbers: Iterator[int]) -> Generator[tuple[int, int], None, None]:
        """Record shards; a lane that is free goes on with the next shard while others end one.

        Args:
            numbers: of the shards, asked for when a lane is free and few shards are open.

        Yields:
            Number of a shard that was written, and how many rows it holds.
        """
        if self._ready is None:
            plan = read_plan(self.folder)
            agent = load_agent(self.folder / "agent")
            self._ready = plan, agent, make(plan.env, plan.lanes)
        plan, agent, stepper = self._ready
        every, shards = seeded_episodes(plan.seed, plan.episodes), OpenShards(plan.shard_episodes)
        watch = Watch(sites=tuple(plan.sites), entities=True)
        episodes = shards.episodes(every, numbers)
        rows = rollout(agent, stepper, episodes, seed=plan.seed, act=plan.act, watch=watch)
        for number, whole in shards.filled(slimmed(rows, plan.convolutional, plan.every)):
            columns = gather(whole, plan.space, plan.seed, number, plan.thinned, plan.env)
            del whole
            write_shard(self.folder, number, columns)
            yield number, len(columns.arrays["step"])

    def close(self) -> None:
        """Free the worlds."""
        if self._ready is not None:
            self._ready[2].close()
            self._ready = None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second recorder out of the folder; the lock goes with the process."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadFile(folder, "another process is recording into it", "wait for it") from None
        yield
    finally:
        os.close(descriptor)
