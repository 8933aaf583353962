"""The folder of a training run: claimed once, resumed by the same plan, a loadable agent."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from policyscope.agents.store import save_weights
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import read_json, write_json
from policyscope.training.checkpoint import State, load_state

_MOST_TOLD = 5
_STEP = "step_"


def require_lengths(steps: int, save_every: int, checkpoints: int) -> None:
    """Refuse a run of no length.

    Raises:
        PolicyscopeError: ``steps`` or ``save_every`` below 1, or ``checkpoints`` below 0.
    """
    if min(steps, save_every) < 1 or checkpoints < 0:
        raise PolicyscopeError(
            "steps and save_every must be at least 1 and checkpoints at least 0, got "
            f"{steps}, {save_every} and {checkpoints}"
        )


def claim(out: Path, values: dict[str, Any], resume: bool) -> None:
    """Begin the run's folder, or check that it holds this run.

    Args:
        out: folder of the run.
        values: what decides the weights, JSON values; kept in ``run.json``.
        resume: go on with the run that the folder holds.

    Raises:
        BadFile: the folder holds something else, or a run and ``resume`` is not set, or none
            and it is, or a run that was started with other values.
    """
    values = {"schema": 1, **values}
    path = out / "run.json"
    if not path.is_file():
        if resume:
            raise BadFile(out, "holds no run to resume", "leave out --resume to begin one")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BadFile(out, "exists and holds something else", "give another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, values)
        return
    if not resume:
        raise BadFile(out, "holds a run already", "give --resume or another --out")
    if differing := _differing(read_json(path), values):
        cause = f"was started otherwise: {'; '.join(differing)}"
        raise BadFile(out, cause, "give what it was started with, or another --out")


def _differing(run: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """What a run has and what was asked for, where the two differ."""
    before, now = _leaves(run), _leaves(asked)
    names = [name for name in {**now, **before} if name.partition(".")[0] in asked]
    told = [
        f"{name} is {_told(before, name)} there, {_told(now, name)} was asked for"
        for name in names
        if before.get(name) != now.get(name)
    ]
    more = len(told) - _MOST_TOLD
    return [*told[:_MOST_TOLD], f"and {more} more"] if more > 0 else told


def _told(values: dict[str, Any], name: str) -> str:
    return "none" if values.get(name) is None else json.dumps(values[name])


def _leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """JSON values by their path, e.g. ``config.lr``."""
    out: dict[str, Any] = {}
    for name, value in json.loads(json.dumps(values)).items():
        path = prefix + name
        out |= _leaves(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return out


def begun(out: Path) -> State | None:
    """The state from which a run goes on; None where it was stopped before its first one.

    Raises:
        BadFile: checkpoints are there and the state is not.
    """
    state = load_state(out)
    if state is None and (out / "checkpoints").exists():
        raise BadFile(out, "its saved state is gone, so it cannot go on", "begin a new run")
    return state


def crossed(before: int, now: int, every: int) -> bool:
    """Whether a multiple of ``every`` lies in ``before < x <= now``."""
    return before // every != now // every


def keep_checkpoint(out: Path, net: nn.Module, passed: tuple[int, int], plan: Any) -> bool:
    """Write a checkpoint, named by the present step, if the last round passed one of them.

    Args:
        out: folder of the run.
        net: network to keep.
        passed: environment steps before and after the round.
        plan: has ``steps`` and ``checkpoints``.

    Returns:
        Whether one was written; a state must be saved with it, so that a run killed after it can
        go on.
    """
    due = [k * plan.steps // plan.checkpoints for k in range(1, plan.checkpoints + 1)]
    if not any(passed[0] < at <= passed[1] for at in due):
        return False
    path = out / "checkpoints" / f"{_STEP}{passed[1]:07d}.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_weights(path, net.state_dict())
    return True


def steps_of(weights: str | None, trained: int) -> int | None:
    """Environment steps that weights of a run have seen; None where their name tells nothing.

    Args:
        weights: their name in the run's folder; None for the newest ones.
        trained: steps of the newest ones.

    Example:
        >>> steps_of("checkpoints/step_0733333", 2_000_000), steps_of("initial", 2_000_000)
        (733333, 0)
    """
    name = (weights or "weights").rsplit("/", 1)[-1]
    if name in ("weights", "initial"):
        return trained if name == "weights" else 0
    number = name.removeprefix(_STEP)
    return int(number) if name.startswith(_STEP) and number.isdecimal() else None
