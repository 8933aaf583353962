"""Statistics of observations that Stable-Baselines3 keeps beside a model: ``vecnormalize.pkl``.

The file is a pickle. It is read as data (``core/pickled_data.py``): nothing in it is run and none
of the classes it names is imported.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from policyscope.agents.preprocess import Normalise
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.pickled_arrays import Record
from policyscope.core.pickled_data import read_pickled

UNSCALED = (
    "it was trained behind VecNormalize, whose statistics are in a file of their own "
    "(vecnormalize.pkl): without it (--normalize FILE) the agent sees other numbers than it was "
    "trained on, unless only its rewards were scaled"
)
_WRAPPER = "stable_baselines3.common.vec_env.vec_normalize.VecNormalize"
#: Modules whose objects such a file holds.
_RECORDS = (
    "stable_baselines3.common.vec_env.vec_normalize",
    "stable_baselines3.common.running_mean_std",
    "gymnasium.spaces",
    "gym.spaces",
    "numpy.random",
)


def beside(model: Path) -> Path | None:
    """The statistics saved with a model under one of the library's usual names, if any."""
    names = ["vecnormalize.pkl", "vec_normalize.pkl"]
    if step := re.fullmatch(r"(.*?)_?(\d+_steps)", model.stem):
        names.insert(0, f"{step[1]}_vecnormalize_{step[2]}.pkl")
    return next((p for name in names if (p := model.with_name(name)).is_file()), None)


def was_normalised(settings: Mapping[str, Any]) -> bool | None:
    """Whether a model was trained behind ``VecNormalize``; None where its settings do not say.

    The library keeps the observation before scaling. Off-policy algorithms, which have
    ``learning_starts``, keep it without the wrapper too.
    """
    if settings.get("_last_original_obs") is None:
        return False
    return None if "learning_starts" in settings else True


def read_statistics(path: Path, shape: tuple[int, ...]) -> nn.Module | None:
    """What normalises observations as the training did; None where only rewards were normalised.

    Args:
        path: the file that ``VecNormalize.save`` writes.
        shape: of one observation.

    Raises:
        BadFile: damaged, something else, for other observations, or asks for more than data.
    """
    wrapper = read_pickled(path, _RECORDS)
    if not isinstance(wrapper, Record) or wrapper.name != _WRAPPER:
        raise BadFile(path, "holds no VecNormalize", "give the file that its save() writes")
    if wrapper.fields.get("norm_obs") is False:
        return None
    running = wrapper.fields.get("obs_rms")
    if isinstance(running, dict):
        raise BadFile(path, "normalises observations of several parts, which have no import")
    kept = running.fields if isinstance(running, Record) else {}
    mean, variance = kept.get("mean"), kept.get("var")
    if not isinstance(mean, np.ndarray) or not isinstance(variance, np.ndarray):
        raise BadFile(path, "holds no mean and variance of observations")
    if mean.shape != shape:
        raise BadFile(path, f"is for observations of shape {mean.shape}, the model's are {shape}")
    limits = [wrapper.fields.get(name) for name in ("epsilon", "clip_obs")]
    if not all(isinstance(limit, int | float) for limit in limits):
        raise BadFile(path, "does not say its epsilon and clip_obs")
    try:
        return Normalise(mean.tolist(), variance.tolist(), *map(float, limits))  # type: ignore[arg-type]
    except (PolicyscopeError, ValueError, TypeError, OverflowError) as error:
        raise BadFile(path, f"its statistics cannot be used: {error}") from None
