"""Worlds kept ready at recorded steps, so that asking about a step again restores and replays less.

Several threads may ask at once: each environment has one world, used by one of them at a time.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.agents.store import load_agent
from policyscope.envs.make import make_lane
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Lane
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.replay import Course, Replay

#: While replaying to a step, snapshots are kept at this many steps before it and at each multiple.
NEAR = 16
MEGABYTE = 2**20


class Newest:
    """A dict that forgets what was longest unused; not for several threads.

    Args:
        size: how much its entries may weigh together; the newest stays however much it weighs.
    """

    def __init__(self, size: int):
        self._size, self._weight = size, 0
        self._entries: OrderedDict[Any, tuple[Any, int]] = OrderedDict()

    def get(self, name: Any) -> Any:
        """What is kept under a name, or None."""
        if name in self._entries:
            self._entries.move_to_end(name)
        return self._entries.get(name, (None, 0))[0]

    def put(self, name: Any, value: Any, weight: int = 1) -> list[Any]:
        """Keep a value; what is forgotten for it."""
        self._weight += weight - self._entries.pop(name, (None, 0))[1]
        self._entries[name] = value, weight
        forgotten = []
        while self._weight > self._size and len(self._entries) > 1:
            old, lighter = self._entries.popitem(last=False)[1]
            self._weight -= lighter
            forgotten.append(old)
        return forgotten

    def clear(self) -> list[Any]:
        """Forget everything; what was kept."""
        values = [value for value, _ in self._entries.values()]
        self._entries.clear()
        self._weight = 0
        return values

    def __len__(self) -> int:
        return len(self._entries)


class World:
    """One world of an environment, made when it is first needed.

    Args:
        spec: which environment.
        snapshots: how many moments it keeps.
    """

    def __init__(self, spec: EnvSpec, snapshots: int):
        self.spec, self.lock = spec, RLock()
        self._lane: Lane | None = None
        self._moments = Newest(snapshots)

    def at(self, name: Any, course: Course, step: int) -> Lane:
        """The lane at the moment before a step of a course, proved to be the recorded one.

        Args:
            name: of the course, by which its moments are kept.
            course: what to replay.
            step: row of the course.

        Raises:
            PolicyscopeError: the world cannot be made, or does not do what was recorded.

        Cost: restores one snapshot where the step was reached before; else replays from the last
            one before it.
        """
        with self.lock:
            if self._lane is None:
                self._lane = make_lane(self.spec)
            run = Replay(self._lane, course)
            kept = (s for s in range(step, -1, -1) if self._moments.get((name, s)))
            first = next(kept, None)
            if first is None:
                run.begin()
                self._keep(name, run, step)
            else:
                run.resume(self._moments.get((name, first)), first)
            while run.step < step:
                run.advance()
                self._keep(name, run, step)
            return self._lane

    def _keep(self, name: Any, run: Replay, step: int) -> None:
        if step - run.step < NEAR or run.step % NEAR == 0:
            self._moments.put((name, run.step), run.lane.snapshot())

    def close(self) -> None:
        """Free the world and forget its moments."""
        with self.lock:
            self._moments.clear()
            lane, self._lane = self._lane, None
            if lane is not None:
                lane.close()


class Worlds:
    """Worlds, agents and episodes of recordings that were asked about lately.

    Agents are copies of its own, asked by one thread at a time: capturing activations sets hooks on
    a network, which another thread's forward pass would set off.

    Args:
        worlds: how many environments are kept.
        snapshots: how many moments of each; one of the intersection takes about 0.1 MB.
        agents: how many agents.
        course_bytes: of the episodes, without their sites.
    """

    def __init__(
        self,
        worlds: int = 4,
        snapshots: int = 256,
        agents: int = 4,
        course_bytes: int = 128 * MEGABYTE,
    ) -> None:
        self._lock, self._asking = Lock(), Lock()
        self._worlds = Newest(worlds)
        self._agents, self._courses = Newest(agents), Newest(course_bytes)
        self._snapshots = snapshots

    @contextmanager
    def alone(self, recording: Recording) -> Iterator[World]:
        """The world of a recording's environment, for one thread at a time."""
        spec = json.dumps(recording.env.to_json(), sort_keys=True)
        old: list[World] = []
        with self._lock:
            world = self._worlds.get(spec)
            if world is None:
                world = World(recording.env, self._snapshots)
                old = self._worlds.put(spec, world)
        for unused in old:  # it waits for whoever is in that world, so not under the lock
            unused.close()
        with world.lock:
            yield world

    @contextmanager
    def agent(self, recording: Recording) -> Iterator[Agent]:
        """The recorded agent, for one thread at a time.

        Raises:
            NoAgent: the episodes are those of another program.
            BadFile: it is missing or damaged.
        """
        agent = self._kept(self._agents, key(recording), lambda: _loaded(recording))
        with self._asking:
            yield agent

    def course(self, recording: Recording, episode: int) -> Course:
        """An episode without its sites.

        Raises:
            PolicyscopeError: there is no such episode.
        """
        name = key(recording), episode
        return self._kept(
            self._courses, name, lambda: Course.read(recording, episode), lambda made: made.bytes
        )

    def _kept(
        self,
        kept: Newest,
        name: Any,
        make: Callable[[], Any],
        weight: Callable[[Any], int] = lambda _: 1,
    ) -> Any:
        with self._lock:
            found = kept.get(name)
        if found is None:
            found = make()
            with self._lock:
                kept.put(name, found, weight(found))
        return found

    def close(self) -> None:
        """Free all worlds; they are made again when they are needed."""
        with self._lock:
            worlds = self._worlds.clear()
            self._agents.clear()
            self._courses.clear()
        for world in worlds:
            world.close()


def _loaded(recording: Recording) -> Agent:
    recording.require_agent()
    return load_agent(recording.path / "agent")


def key(recording: Recording) -> tuple[str, int]:
    """What tells a recording from another, one made later in the same folder included."""
    path = Path(recording.path).resolve()
    return str(path), (path / "recording.json").stat().st_mtime_ns
