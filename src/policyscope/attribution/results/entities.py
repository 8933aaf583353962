"""Who accounts for how much over the steps of an episode: by identity, and by kind."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from policyscope.attribution.results.entity_shares import by_entity
from policyscope.core.result import Result
from policyscope.recordings.replays.changes import ACTING


def with_entities(recording: Any, data: xr.Dataset) -> xr.Dataset:
    """An attribution with what it says of each entity in sight, row by row.

    Args:
        recording: an opened recording.
        data: of an attribution, with ``vehicles`` or a ``map`` over frames; else nothing is added.

    Returns:
        The data with ``sight_share`` along ``sight``, one for each entity in sight of each row, and
        ``sight_row``, ``sight_identity`` and ``sight_kind`` that say whose it is.

    Cost: that of ``entity_shares.by_entity``.
    """
    table = by_entity(recording, data)
    if table.empty:
        return data
    kinds = table["kind"].fillna("vehicle").to_numpy(dtype=str)
    return data.assign(
        sight_share=("sight", table["share"].to_numpy(float)),
        sight_row=("sight", table["row"].to_numpy(int)),
        sight_identity=("sight", table["identity"].to_numpy(int)),
        sight_kind=("sight", kinds),
    )


def shares(result: Result) -> pd.DataFrame:
    """What an attribution says of each entity in sight of each row.

    Args:
        result: of ``attribution.explain.attribute``.

    Returns:
        Columns ``row``, ``episode``, ``step``, ``identity``, ``kind`` and ``share``; empty where
        the values lie on no entities.
    """
    data = result.data
    if "sight_share" not in data:
        names = ("row", "episode", "step", "identity", "kind", "share")
        return pd.DataFrame({name: [] for name in names})
    row = data["sight_row"].values
    return pd.DataFrame(
        {
            "row": row,
            "episode": data["episode"].values[row],
            "step": data["step"].values[row],
            "identity": data["sight_identity"].values,
            "kind": data["sight_kind"].values.astype(str),
            "share": data["sight_share"].values,
        }
    )


def by_identity(result: Result) -> list[dict[str, Any]]:
    """What each entity of each episode accounts for, over the steps at which it was in sight.

    Args:
        result: of ``attribution.explain.attribute``.

    Returns:
        For each entity, by episode and within it the largest absolute sum first: ``episode``,
        ``identity``, ``kind``, ``steps`` that it was in sight, ``signed`` and ``absolute`` sums,
        ``signed_mean`` and ``absolute_mean`` over those steps, in the target's unit, and
        ``greatest``, the share of those steps at which nobody else had a larger absolute share:
        of the one who acts compared with everybody, of the others among themselves.
    """
    return _summed(shares(result), ["identity"])


def by_kind(result: Result) -> list[dict[str, Any]]:
    """What the entities of each kind account for together, over all episodes.

    Args:
        result: of ``attribution.explain.attribute``.

    Returns:
        For each kind, the largest absolute sum first: as ``by_identity``, without identity and
        episode. A step's share is the sum over the kind's entities, and all kinds are compared.
    """
    table = shares(result)
    if table.empty:
        return []
    together = table.groupby(["row", "kind"], as_index=False)["share"].sum()
    found = _summed(together.assign(episode=0), [])
    return [{k: v for k, v in line.items() if k != "episode"} for line in found]


def _summed(table: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    if table.empty:
        return []
    table = table.assign(size=table["share"].abs())
    acts = table["kind"].isin(ACTING) | (not names)
    most = table.groupby("row")["size"].transform("max")
    others = table.where(~acts).groupby(table["row"])["size"].transform("max")
    table["greatest"] = table["size"] >= np.where(acts, most, others)
    keys = ["episode", *names, "kind"]
    found = table.groupby(keys, as_index=False).agg(
        steps=("row", "size"), signed=("share", "sum"), absolute=("size", "sum"),
        greatest=("greatest", "mean"),
    )  # fmt: skip
    found["signed_mean"] = found["signed"] / found["steps"]
    found["absolute_mean"] = found["absolute"] / found["steps"]
    found = found.sort_values(["episode", "absolute"], ascending=[True, False], kind="stable")
    return [dict(zip(found.columns, line, strict=True)) for line in found.values.tolist()]
