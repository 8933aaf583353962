"""The decisions at which the action changes, with what the agent valued then."""

import numpy as np
import xarray as xr

from policyscope.circuits.decisions import Decisions


def action_changes(decisions: Decisions) -> xr.Dataset:
    """Decisions whose action differs from the one before in the same episode.

    Args:
        decisions: of a recording.

    Returns:
        Dim change: ``change_decision`` (index of the decision), ``change_episode``,
        ``change_step``, ``action_before``, ``action_after``, ``margin`` (best minus second best
        action value, in units of return) and ``change_outcome`` (how the episode ended).
    """
    follows = decisions.follows
    changed = np.flatnonzero(follows & (np.diff(decisions.action, prepend=-1) != 0))
    ranked = np.sort(decisions.q[changed], axis=-1)
    outcome = decisions.episodes.set_index("episode")["outcome"]
    ends = [str(outcome[e]) for e in decisions.episode[changed]]
    values = {
        "change_decision": changed,
        "change_episode": decisions.episode[changed],
        "change_step": decisions.step[changed],
        "action_before": decisions.action[changed - 1],
        "action_after": decisions.action[changed],
        "margin": (ranked[:, -1] - ranked[:, -2]).astype(float),
        "change_outcome": np.array(ends, dtype=str),
    }
    return xr.Dataset({name: ("change", array) for name, array in values.items()})
