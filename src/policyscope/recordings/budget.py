"""What a recording will cost, from a probe: some of its episodes, and shards really written."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from policyscope.agents.agent import Agent
from policyscope.core.errors import BadFile, system_cause
from policyscope.core.threads import one_thread
from policyscope.envs.make import make
from policyscope.recordings.plan import Plan, prepare
from policyscope.recordings.shards.gather import gather, slimmed
from policyscope.recordings.shards.open_shards import steps_together
from policyscope.recordings.shards.store import shard_folder, write_shard
from policyscope.rollouts.loop import Row, Watch, rollout, seeded_episodes

PROBE_SECONDS = 4.0
#: A long recording is probed for this part of its time, up to a limit in seconds.
LONG_SHARE, LONG_SECONDS = 0.1, 30.0
#: Standard error of the mean length, relative, at which a probe has seen enough.
ENOUGH = 0.05
#: Bytes of rows that a probe keeps.
KEPT_BYTES = 2**27
WORKER_START_SECONDS = 4.0
#: Episodes at most that are drawn to tell how long lanes wait for each other.
DRAWN = 512


@dataclass(frozen=True)
class Budget:
    """Expected cost of a recording.

    Args:
        steps: decisions in all.
        low: as few steps as they may be (two standard errors).
        high: as many.
        bytes: of all files.
        convolutional: bytes of those that hold convolutional sites.
        seconds: time in one process.
        ended: whether an episode of the probe came to its end; if not, steps are a lower bound.
    """

    steps: int
    low: int
    high: int
    bytes: int
    convolutional: int
    seconds: float
    ended: bool

    def seconds_with(self, workers: int) -> float:
        """Time with worker processes, their start included; 0 is this process."""
        if not workers:
            return self.seconds
        return WORKER_START_SECONDS + self.seconds / min(workers, os.cpu_count() or 1)


@dataclass
class _Probe:
    """What was seen: steps of episodes that ended and of those that still ran, and time.

    Args:
        rows: some of the rows, by episode.
        ended: lengths by episode.
        lockstep: lanes that ran and seconds that it took, for each step of all lanes.
    """

    rows: dict[int, list[Row]] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    lockstep: list[tuple[int, float]] = field(default_factory=list)

    @property
    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps of each episode, and whether it ended."""
        over = np.array([k in self.ended for k in self.steps], bool)
        return np.array(list(self.steps.values()), float), over


def estimate(agent: Agent, plan: Plan, seconds: float = PROBE_SECONDS) -> Budget:
    """Run some of the episodes, write them to a temporary folder, and multiply.

    Args:
        agent: who decides.
        plan: what is to be recorded.
        seconds: what the probe may take; a long recording is probed for a tenth of its time.

    Cost: a quarter of the recording, but at most about 4 seconds, or 30 for a long one.
    """
    with one_thread():
        probe = _run(agent, plan, seconds)
        lengths, over = probe.lengths
        mean = mean_length(lengths, over)
        error = _error(lengths, over, plan.episodes) * mean
        steps = round(mean * plan.episodes)
        per_shard = mean * min(plan.shard_episodes, plan.episodes)
        fixed, each, convolutional, writing = _written(agent, plan, probe, per_shard)
    acting = _acting(probe, lengths * mean / lengths.mean(), plan)
    spread = 2 * error * plan.episodes
    return Budget(
        steps=steps,
        low=round(max(plan.episodes, steps - spread)),
        high=round(steps + spread),
        bytes=round(fixed + each * steps),
        convolutional=round(convolutional * steps),
        seconds=acting + writing * steps,
        ended=bool(over.any()),
    )


def spread_out(count: int, most: int) -> list[int]:
    """Some numbers from 0 up to a count, evenly spread however many of them are taken.

    Example:
        >>> spread_out(10, 4)
        [0, 6, 2, 8]
    """
    numbers = np.arange(count) * 0.6180339887498949 % 1 * count  # each lies in the largest gap
    return list(dict.fromkeys([*numbers.astype(int).tolist(), *range(count)]))[:most]


def _run(agent: Agent, plan: Plan, seconds: float) -> _Probe:
    """Act until the mean length is known well enough, the time is over or a quarter was run."""
    probe, every = _Probe(), seeded_episodes(plan.seed, plan.episodes)
    least = min(plan.episodes, max(4, min(plan.shard_episodes, plan.episodes // 4)))
    numbers = spread_out(plan.episodes, max(least, plan.episodes // 4))
    watch = Watch(sites=tuple(plan.sites), entities=True)
    kept, stepper = 0, make(plan.env, plan.lanes)
    try:
        began = then = time.perf_counter()
        rows = rollout(
            agent, stepper, [every[k] for k in numbers], seed=plan.seed, act=plan.act, watch=watch
        )
        beside: set[int] = set()
        for row in slimmed(rows, plan.convolutional, plan.every):
            now = time.perf_counter()
            if row.episode in beside or len(beside) == plan.lanes:
                probe.lockstep.append((len(beside), now - then))
                beside, then = set(), now
                if _enough(probe, plan, least, now - began, seconds):
                    break
            beside.add(row.episode)
            probe.steps[row.episode] = row.step + 1
            if row.last:
                probe.ended.add(row.episode)
            if kept < KEPT_BYTES:
                probe.rows.setdefault(row.episode, []).append(row)
                kept += row.obs.nbytes + sum(v.nbytes for v in row.sites.values())
        else:
            probe.lockstep.append((len(beside), time.perf_counter() - then))
    finally:
        stepper.close()
    return probe


def _enough(probe: _Probe, plan: Plan, least: int, spent: float, seconds: float) -> bool:
    lengths, over = probe.lengths
    if int(over.sum()) >= least and _error(lengths, over, plan.episodes) < ENOUGH:
        return True
    if spent < seconds or not over.any():
        return spent > LONG_SECONDS
    whole = spent * mean_length(lengths, over) * plan.episodes / lengths.sum()
    return bool(spent > min(LONG_SHARE * whole, LONG_SECONDS))


def mean_length(lengths: np.ndarray, over: np.ndarray) -> float:
    """Mean length of episodes of which some are still running (Kaplan & Meier 1958).

    Beyond the longest one seen, episodes are taken to end as often as all did.

    Args:
        lengths: (N,) steps so far.
        over: (N,) whether the episode has ended.

    Example:
        >>> mean_length(np.array([10.0, 10.0, 4.0]), np.array([True, True, False]))
        10.0
    """
    if not over.any():
        return float(lengths.mean())
    total, alive, before = 0.0, 1.0, 0.0
    for t in np.unique(lengths[over]):
        total += alive * (t - before)
        alive *= 1 - (lengths[over] == t).sum() / (lengths >= t).sum()
        before = t
    tail = float(lengths.sum() / over.sum())
    longest = lengths.max()
    return float(total + alive * (max(longest - before, 0) + (tail if alive > 1e-9 else 0)))


def _error(lengths: np.ndarray, over: np.ndarray, episodes: int) -> float:
    """Standard error of the mean length, relative; 0 where all episodes were run."""
    n = int(over.sum())
    if n < 2:
        return 1.0 if n < episodes else 0.0
    spread = lengths.std(ddof=1) if over.all() else max(lengths.std(ddof=1), lengths[over].std())
    return float(spread / lengths.mean() * np.sqrt(max(0, 1 - n / episodes) / n))


def _written(
    agent: Agent, plan: Plan, probe: _Probe, per_shard: float
) -> tuple[float, float, float, float]:
    """Bytes that do not depend on steps, bytes and convolutional bytes a step, seconds a step."""
    order = sorted(probe.rows, key=lambda k: (k not in probe.ended, k))
    rows = [row for k in order for row in probe.rows[k]]
    counts = sorted({max(1, len(rows) // 2), min(len(rows), max(1, round(per_shard)))})
    sizes, convolutional, spent = [], 0.0, 0.0
    with _scratch() as folder:
        prepare(folder, plan, agent, {})
        above = _size(folder) + 4000 + 30 * plan.episodes
        for number, count in enumerate(counts):
            began = time.perf_counter()
            columns = gather(rows[:count], plan.space, plan.seed, number, plan.thinned, plan.env)
            write_shard(folder, number, columns)
            spent = (time.perf_counter() - began) / count
            shard = shard_folder(folder, number)
            sizes.append(_size(shard))
            maps = [shard / "arrays.zarr/sites" / name for name in plan.convolutional]
            convolutional = sum(_size(m) for m in maps) / count
    if len(counts) == 1:
        return above, sizes[0] / counts[0], convolutional, spent
    each = max(0.0, (sizes[1] - sizes[0]) / (counts[1] - counts[0]))
    return above + plan.shards * (sizes[1] - each * counts[1]), each, convolutional, spent


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that is gone afterwards.

    Raises:
        BadFile: it cannot be written to.
    """
    try:
        with tempfile.TemporaryDirectory() as place:
            yield Path(place) / "rec"
    except OSError as error:
        cause = f"the probe of the recording's size cannot be written: {system_cause(error)}"
        raise BadFile(tempfile.gettempdir(), cause, "make room there or set TMPDIR") from None


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _acting(probe: _Probe, lengths: np.ndarray, plan: Plan) -> float:
    """Seconds of acting: lanes that wait for the last episode of all cost time as well."""
    running, spent = np.array(probe.lockstep[1:] or probe.lockstep).T
    one, each = spent.mean(), 0.0
    if len(np.unique(running)) > 1:
        each = float(np.clip(np.polyfit(running, spent, 1)[0], 0, spent.mean() / running.mean()))
        one = spent.mean() - each * running.mean()
    rng, drawn = np.random.default_rng(0), min(plan.episodes, DRAWN)
    rounds = [
        steps_together(rng.choice(lengths, drawn).tolist(), plan.lanes, plan.shard_episodes)
        for _ in range(4)
    ]
    together = np.mean(rounds) / drawn * plan.episodes
    return float(one * together + each * lengths.mean() * plan.episodes)
