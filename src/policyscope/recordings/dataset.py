"""One episode as an xarray dataset with named axes."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from policyscope.envs.stepper import Space


def episode_dataset(
    arrays: Mapping[str, np.ndarray], final_obs: np.ndarray | None, space: Space
) -> xr.Dataset:
    """Name the axes of one episode's arrays.

    Args:
        arrays: by their names on disk, leading axis step; ``outputs/q`` becomes ``q``.
        final_obs: observation after the last step, where there is one.
        space: names of observation rows, features and actions.

    Returns:
        Dims step, row, feature, action_name and, for other axes, ``<variable>.<axis>``. (An axis
        cannot be called ``action``: that is a variable along step.)
    """
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, array in arrays.items():
        if name not in ("episode", "step"):
            short = name.removeprefix("outputs/")
            variables[short] = (("step", *_dims(name, array.shape[1:], space)), array)
    if final_obs is not None:
        variables["final_obs"] = (_dims("obs", final_obs.shape, space), final_obs)
    dims = {dim for names, _ in variables.values() for dim in names}
    names = {"row": space.rows, "feature": space.features, "action_name": space.actions}
    coords = {dim: list(values) for dim, values in names.items() if dim in dims}
    return xr.Dataset(variables, {"step": arrays["step"], **coords})


def _dims(name: str, shape: tuple[int, ...], space: Space) -> tuple[str, ...]:
    dims = [f"{name.removeprefix('outputs/')}.{i}" for i in range(len(shape))]
    if name == "obs" and space.rows and shape:
        dims[0] = "row"
    if name == "obs" and space.features and shape:
        dims[-1] = "feature"
    if name == "row_identity":
        dims[0] = "row"
    if name.startswith("outputs/") and space.actions and shape == (len(space.actions),):
        dims[-1] = "action_name"
    return tuple(dims)
