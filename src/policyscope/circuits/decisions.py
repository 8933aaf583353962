"""The decisions of a recording beside the scene they were taken in, as dense arrays.

Letters: R decisions, E episodes, V rows of the observation (row 0 the ego), F features, A actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from policyscope.circuits.relations import RELATIONS, relations
from policyscope.core.errors import PolicyscopeError


@dataclass(frozen=True)
class Decisions:
    """Decisions in the order of the recording.

    Args:
        episode: (R,) number of the episode.
        step: (R,) step in it.
        obs: (R, V, F) what the agent saw.
        action: (R,) what it did.
        q: (R, A) action values of the pass that decided.
        identity: (R, V) identity of the vehicle each row shows, -1 where absent; the ego is 0.
        relations: (R, V) by name, see ``relations``; NaN for the ego and absent rows.
        position: (R, V, 2) x and y of the vehicle each row shows, metres; NaN where absent.
        sites: (R, ...) recorded activations by name.
        episodes: one row an episode: episode, outcome, return, ...
    """

    episode: Int[np.ndarray, " R"]
    step: Int[np.ndarray, " R"]
    obs: Float[np.ndarray, "R V F"]
    action: Int[np.ndarray, " R"]
    q: Float[np.ndarray, "R A"]
    identity: Int[np.ndarray, "R V"]
    relations: dict[str, np.ndarray]
    position: Float[np.ndarray, "R V 2"]
    sites: dict[str, np.ndarray]
    episodes: pd.DataFrame

    @property
    def group(self) -> Int[np.ndarray, " R"]:
        """Index of each decision's episode, 0..E-1."""
        return np.unique(self.episode, return_inverse=True)[1]

    @property
    def others(self) -> Bool[np.ndarray, "R V"]:
        """Rows that show another vehicle."""
        shown = self.identity >= 0
        shown[:, 0] = False
        return shown

    @property
    def follows(self) -> Bool[np.ndarray, " R"]:
        """Decisions whose predecessor in the same episode is the row before."""
        same = (np.diff(self.episode) == 0) & (np.diff(self.step) == 1)
        return np.concatenate([[False], same])

    def before(self, values: Float[np.ndarray, "R V"]) -> Float[np.ndarray, "R V"]:
        """For each row the value the same vehicle had one step before; NaN where it had none.

        Vehicles are followed by identity: environments shuffle the rows at every step.
        """
        out = np.full(values.shape, np.nan)
        later = np.flatnonzero(self.follows)
        match = self.identity[later, :, None] == self.identity[later - 1][:, None, :]
        match &= (self.identity[later] >= 0)[:, :, None]
        r, new, old = np.nonzero(match)
        out[later[r], new] = values[later[r] - 1, old]
        return out


def gather(recording: Any, sites: Sequence[str], horizon: float) -> Decisions:
    """Read what the explanation needs from a recording.

    Args:
        recording: an opened recording.
        sites: recorded activations to read.
        horizon: look-ahead of the predicted closest approach, seconds.

    Raises:
        PolicyscopeError: the recording has no decision, no action values or no scene.
    """
    if "q" not in recording.outputs:
        raise PolicyscopeError(
            "explaining attention needs action values, the agent puts out "
            + ", ".join(recording.outputs)
        )
    names = ["obs", "action", "q", "row_identity", *(f"sites/{s}" for s in sites)]
    rows = recording.rows(names)
    if not len(rows["episode"]):
        raise PolicyscopeError("the recording holds no decision; record at least one episode")
    scene = pd.concat([recording.entities(int(k)) for k in np.unique(rows["episode"])])
    if not len(scene):
        raise PolicyscopeError(
            "the recording holds no scene, so attention cannot be related to vehicles; "
            "record in an environment with entities, e.g. highway/intersection"
        )
    episode, step = rows["episode"], rows["step"]
    identity = np.asarray(rows["row_identity"])
    near = _dense(relations(scene, horizon), RELATIONS, episode, step, identity, hidden_ego=True)
    where = _dense(scene, ("x", "y"), episode, step, identity)
    return Decisions(
        episode=np.asarray(episode),
        step=np.asarray(step),
        obs=np.asarray(rows["obs"]),
        action=np.asarray(rows["action"]),
        q=np.asarray(rows["q"]),
        identity=identity,
        relations=near,
        position=np.stack([where["x"], where["y"]], axis=-1),
        sites={s: np.asarray(rows[f"sites/{s}"]) for s in sites},
        episodes=recording.episodes,
    )


def _dense(
    table: pd.DataFrame,
    columns: Sequence[str],
    episode: np.ndarray,
    step: np.ndarray,
    identity: np.ndarray,
    hidden_ego: bool = False,
) -> dict[str, np.ndarray]:
    """Lay columns of a table by (episode, step, identity) out as (R, V) arrays."""
    shown = identity >= 0
    if hidden_ego:
        shown[:, 0] = False
    r, v = np.nonzero(shown)
    keys = pd.DataFrame({"episode": episode[r], "step": step[r], "identity": identity[r, v]})
    found = keys.merge(table, on=["episode", "step", "identity"], how="left", indicator=True)
    if (found["_merge"] != "both").any():
        lost = found.loc[found["_merge"] != "both"].iloc[0]
        raise PolicyscopeError(
            f"vehicle {lost['identity']} of episode {lost['episode']}, step {lost['step']}, is "
            "missing from the recorded scene; the recording is damaged, record it again"
        )
    out = {}
    for column in columns:
        out[column] = np.full(identity.shape, np.nan)
        out[column][r, v] = found[column].to_numpy(dtype=float)
    return out
