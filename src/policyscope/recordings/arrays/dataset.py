"""One episode as an xarray dataset with named axes."""

from collections.abc import Collection, Mapping

import numpy as np
import xarray as xr

from policyscope.envs.stepper import Space


def episode_dataset(
    arrays: Mapping[str, np.ndarray],
    final_obs: np.ndarray | None,
    space: Space,
    thinned: Collection[str] = (),
    kept: np.ndarray | None = None,
) -> xr.Dataset:
    """Name the axes of one episode's arrays.

    Args:
        arrays: by their names on disk, leading axis step; ``outputs/q`` becomes ``q``.
        final_obs: observation after the last step, where there is one.
        space: names of observation rows, features and actions.
        thinned: those of the arrays that have the steps ``kept`` alone.
        kept: steps of the thinned arrays.

    Returns:
        Dims step (step_kept for thinned arrays), row, feature, action_name and, for other axes,
        ``<variable>.<axis>``. (An axis cannot be called ``action``: that is a variable along step.)
    """
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, array in arrays.items():
        if name not in ("episode", "step"):
            short = name.removeprefix("outputs/")
            along = "step_kept" if name in thinned else "step"
            variables[short] = ((along, *axes(name, array.shape[1:], space)), array)
    if final_obs is not None:
        variables["final_obs"] = (axes("obs", final_obs.shape, space), final_obs)
    dims = {dim for names, _ in variables.values() for dim in names}
    steps = {"step": arrays["step"]} | ({"step_kept": kept} if "step_kept" in dims else {})
    return xr.Dataset(variables, {**steps, **labels(dims, space)})


def labels(dims: Collection[str], space: Space) -> dict[str, list[str]]:
    """Names along those of some axes that have them.

    Args:
        dims: names of axes.
        space: names of observation rows, features and actions.
    """
    names = {"row": space.rows, "feature": space.features, "action_name": space.actions}
    return {dim: list(values) for dim, values in names.items() if dim in dims}


def axes(name: str, shape: tuple[int, ...], space: Space) -> tuple[str, ...]:
    """Names of the axes of one row of an array.

    Args:
        name: of the array on disk.
        shape: of a row.
        space: names of observation rows, features and actions.
    """
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
