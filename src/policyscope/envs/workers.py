"""Lanes in lockstep, spread over worker processes."""

import subprocess
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.core.processes import Process, cause_of_death, launch
from policyscope.core.registry import entry
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Start, Step
from policyscope.envs.steppers import blank, check_call, check_count, portable


class ProcessStepper:
    """Lanes in worker processes, each with a contiguous share of the lanes.

    Behaves as ``LocalStepper`` and gives the same bytes for any number of workers.
    ``begin_step`` and ``finish_step`` let the caller work while the worlds move. Snapshots
    arrive without their live copy, so they are restored by replay.

    Args:
        spec: the environment of all lanes.
        lanes: how many worlds.
        workers: how many processes; no more than lanes are started.

    Raises:
        PolicyscopeError: the environment cannot be made, or a worker dies.
    """

    differentiable = False

    def __init__(self, spec: EnvSpec, lanes: int, workers: int) -> None:
        if lanes < 1 or workers < 1:
            raise PolicyscopeError("a stepper needs at least one lane and one worker")
        # Names registered in this process are unknown in the others.
        known = None if spec.id.startswith("gym:") else entry("environment", spec.id)
        self.spec, self.lanes = spec, lanes
        shares = [s.tolist() for s in np.array_split(np.arange(lanes), min(workers, lanes))]
        self._shares = [slice(s[0], s[-1] + 1) for s in shares]
        self._processes: list[Process] = []
        self._pipes: list[Connection] = []
        self._asked: dict[int, tuple[Any, ...]] = {}
        for _ in shares:
            process, pipe = launch("policyscope.envs.worker:serve")
            self._processes.append(process)
            self._pipes.append(pipe)
        self._end = weakref.finalize(self, _end_all, self._processes, self._pipes)
        self._pending = ""
        requests = {w: ("make", spec, s.stop - s.start, known) for w, s in enumerate(self._shares)}
        try:
            answers = self._ask(requests)
        except BaseException:
            self.close()
            raise
        self.space: Space = answers[0][0]
        self.exact_restore: bool = all(exact for _, exact, _ in answers.values())
        self.has_final_obs: bool = all(final for _, _, final in answers.values())
        self.running = np.zeros(lanes, dtype=bool)
        self._obs = blank(self.space, lanes)

    def start(self, starts: Sequence[Start | None]) -> np.ndarray:
        """Begin episodes in the lanes whose entry is not None; observations of all lanes."""
        self.begin_start(starts)
        return self.finish_start()

    def begin_start(self, starts: Sequence[Start | None]) -> None:
        """Send the starts and return at once; ``finish_start`` collects the observations."""
        check_count("starts", starts, self.lanes)
        self._require_idle()
        requests: dict[int, tuple[Any, ...]] = {}
        for w, share in enumerate(self._shares):
            mine = [portable(s) for s in starts[share]]
            if any(s is not None for s in mine):
                requests[w] = ("start", mine)
        self._begin("start", requests)

    def finish_start(self) -> np.ndarray:
        """Wait for the episodes that ``begin_start`` set in motion; observations of all lanes."""
        for w, (obs, running) in self._finish("start").items():
            self._obs[self._shares[w]], self.running[self._shares[w]] = obs, running
        return self._obs.copy()

    def step(self, actions: Sequence[Any]) -> Step:
        """Execute one action in every running lane."""
        self.begin_step(actions)
        return self.finish_step()

    def begin_step(self, actions: Sequence[Any]) -> None:
        """Send the actions and return at once; ``finish_step`` collects the answer."""
        check_count("actions", actions, self.lanes)
        self._require_idle()
        running = {w: share for w, share in enumerate(self._shares) if self.running[share].any()}
        self._begin("step", {w: ("step", actions[share]) for w, share in running.items()})

    def finish_step(self) -> Step:
        """Wait for the worlds that ``begin_step`` set in motion."""
        answers = self._finish("step")
        reward = np.zeros(self.lanes)
        terminated, truncated = np.zeros((2, self.lanes), dtype=bool)
        for w, step in answers.items():
            share = self._shares[w]
            self._obs[share], reward[share] = step.obs, step.reward
            terminated[share], truncated[share] = step.terminated, step.truncated
        self.running &= ~(terminated | truncated)
        return Step(self._obs.copy(), reward, terminated, truncated)

    def call(self, lane: int, method: str, *args: Any) -> Any:
        """Call a method of one lane: apply, entities, outcome, render, scene or snapshot."""
        check_call(lane, method, self.lanes)
        self._require_idle()
        worker = next(w for w, share in enumerate(self._shares) if lane < share.stop)
        request = ("call", lane - self._shares[worker].start, method, args)
        answer = self._ask({worker: request})[worker]
        if method == "apply":
            self._obs[lane] = answer
        return answer

    def close(self) -> None:
        """End the workers."""
        self._end()

    def _require_idle(self) -> None:
        if self._pending:
            raise PolicyscopeError(
                f"a {self._pending} is under way; call finish_{self._pending} first"
            )

    def _begin(self, what: str, requests: dict[int, tuple[Any, ...]]) -> None:
        self._asked = requests
        self._send(requests)
        self._pending = what

    def _finish(self, what: str) -> dict[int, Any]:
        if self._pending != what:
            raise PolicyscopeError(f"finish_{what} needs a begin_{what} before it")
        self._pending = ""
        return self._receive(self._asked)

    def _ask(self, requests: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        self._send(requests)
        return self._receive(requests)

    def _send(self, requests: dict[int, tuple[Any, ...]]) -> None:
        if not self._end.alive:
            raise PolicyscopeError("the environments are closed; make them again")
        for w, request in requests.items():
            self._talk(w, partial(Connection.send, obj=request))

    def _receive(self, requests: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        answers = {w: self._talk(w, Connection.recv) for w in requests}
        for w, (status, answer) in answers.items():
            if status == "user error":
                raise PolicyscopeError(answer)
            if status == "error":
                raise RuntimeError(f"environment worker {w} raised:\n{answer}")
        return {w: answer for w, (_, answer) in answers.items()}

    def _talk(self, worker: int, do: Callable[[Connection], Any]) -> Any:
        try:
            return do(self._pipes[worker])
        except (EOFError, OSError):
            cause = cause_of_death(self._processes[worker])
            share = self._shares[worker]
            self.close()
            raise PolicyscopeError(
                f"environment worker {worker} (lanes {share.start}..{share.stop - 1}) {cause};"
                " out of memory? start again with fewer workers or lanes"
            ) from None
        except BaseException:
            self.close()  # after an interrupt the next question would get this one's answer
            raise


def _end_all(processes: list[Process], pipes: list[Connection]) -> None:
    for pipe in pipes:
        pipe.close()
    for process in processes:
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
