"""Traces: the activations of one site over the steps of one episode.

Sites with an axis of vehicles are followed by identity: environments shuffle the rows at every
step, so row 1 shows another vehicle each time. Letters: T steps, U units, I identities, V rows.
"""

from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from policyscope.agents.agent import Agent
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.hooks import capture
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.core.sites import Site
from policyscope.recordings.subject import agent_of, python_line, subject

#: Kind of a site whose agent is gone.
UNKNOWN = "unknown module"
NONLINEAR = ("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Tanh", "Sigmoid")
DESCRIPTIVE = "activations as they were; a trace by itself claims nothing"


def traces(recording: Any, site: str, episode: int, command: str | None = None) -> Result:
    """Activations of a site over an episode, as they are and minus their mean over its steps.

    Args:
        recording: an opened recording.
        site: name of the site. Behind a ``ReLU`` it is post-activation; a ``Linear`` site is
            marked pre-activation, as what follows it in the network is not this value.
        episode: number of the episode.
        command: the command line, for the provenance.

    Returns:
        A Result with ``activation`` and ``centred`` of dims (step, unit) or, for sites with an
        axis of vehicles, (identity, step, unit): NaN where the vehicle was not in view.

    Raises:
        UnknownName: the agent has no such site.
        PolicyscopeError: no such episode.

    Cost: reads one episode; one forward pass for each of its steps if the site was not recorded.
    """
    agent = agent_of(recording)
    sites = agent.sites() if agent else _recorded_sites(recording)
    if site not in sites:
        raise UnknownName("site", site, sites)
    data = recording.episode(episode)
    values, how = _activations(agent, data, site)
    kind = sites[site].kind
    arrays = {"step": data["step"].values}
    names = list(recording.space.actions)
    frame = xr.Dataset(
        {"action": (data["action"].dims, data["action"].values)},
        arrays,
        {
            "site": site,
            "kind": kind,
            "stage": stage(kind),
            "episode": episode,
            "actions": names,
            "outcome": str(data.attrs["outcome"]),
        },
    )
    identity = data["row_identity"].values if "row_identity" in data else np.empty((0, 0), int)
    axis = vehicle_axis(values.shape[1:], identity.shape[1])
    if axis is None:
        flat = values.reshape(len(values), -1)
        dims: tuple[str, ...] = ("step", "unit")
        frame = frame.assign_coords(unit=np.arange(flat.shape[1]))
    else:
        flat, who = by_identity(values, identity, axis)
        dims = ("identity", "step", "unit")
        frame = frame.assign_coords(identity=who, unit=np.arange(flat.shape[-1]))
    frame["activation"] = (dims, flat.astype(np.float32))
    frame["centred"] = (dims, centre(flat).astype(np.float32))
    line = python_line(traces, recording, [repr(site), str(episode)])
    return Result(
        "traces",
        frame,
        {"recording": subject(recording), "site": site, "episode": episode, "python": line},
        provenance(command or line),
        unchecked=DESCRIPTIVE + how,
    )


def default_site(recording: Any) -> str | None:
    """The last post-activation site before the outputs; None where the agent is gone or has none.

    Args:
        recording: an opened recording.
    """
    agent = agent_of(recording)
    found = [n for n, s in agent.sites().items() if s.kind in NONLINEAR] if agent else []
    return found[-1] if found else None


def stage(kind: str) -> str:
    """Whether the output of a module of this class is taken before a nonlinearity."""
    if kind == UNKNOWN:
        return "stage unknown"
    return "pre-activation" if kind in ("Linear", "Conv1d", "Conv2d") else "post-activation"


def vehicle_axis(shape: tuple[int, ...], rows: int) -> int | None:
    """Axis of an activation that runs over the observation's rows, with or without the ego's.

    Args:
        shape: of one activation.
        rows: number of rows of the observation.

    Example:
        >>> vehicle_axis((14, 64), 15), vehicle_axis((4, 1, 15), 15), vehicle_axis((64,), 15)
        (0, 2, None)
    """
    found = [i for i, extent in enumerate(shape) if rows > 1 and extent in (rows, rows - 1)]
    return found[0] if len(found) == 1 else None


def by_identity(
    values: Float[np.ndarray, "T ..."], identity: Int[np.ndarray, "T V"], axis: int
) -> tuple[Float[np.ndarray, "I T U"], Int[np.ndarray, " I"]]:
    """Follow vehicles through the rows they were shown in.

    Args:
        values: activations with an axis of rows.
        identity: whom each row showed, -1 for none.
        axis: that axis, not counting the steps.

    Returns:
        Activations by identity, NaN where it was not in view, and the identities in rising order.
    """
    steps = len(values)
    rows = np.moveaxis(values, axis + 1, 1)
    rows = rows.reshape(steps, rows.shape[1], -1)
    shown = identity[:, identity.shape[1] - rows.shape[1] :]
    who = np.unique(shown[shown >= 0])
    out = np.full((len(who), steps, rows.shape[2]), np.nan)
    t, v = np.nonzero(shown >= 0)
    out[np.searchsorted(who, shown[t, v]), t] = rows[t, v]
    return out, who


def centre(values: Float[np.ndarray, "... T U"]) -> Float[np.ndarray, "... T U"]:
    """Minus the mean over the steps at which there is a value."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(-2, keepdims=True), 1)
    return values - np.where(known, values, 0.0).sum(-2, keepdims=True) / count


def _recorded_sites(recording: Any) -> dict[str, Site]:
    return {name: Site(name, UNKNOWN, shape) for name, shape in recording.sites.items()}


def _activations(agent: Agent | None, data: xr.Dataset, site: str) -> tuple[np.ndarray, str]:
    name = f"sites/{site}"
    if name in data and "step" in data[name].dims:
        return data[name].values, ""
    if agent is None:
        raise PolicyscopeError(f"'{name}' was not kept at every step; record with --every 1")
    obs = torch.from_numpy(data["obs"].values)
    with torch.no_grad(), capture(agent.modules(), [site]) as seen:
        agent.forward(obs.to(agent.device), None)
    note = "; the site was not recorded: computed again, one forward pass for each observation"
    return seen[site].cpu().numpy(), note
