"""Who accounts for how much over the steps of an episode: by identity, and by kind."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from policyscope.attribution.results.entity_shares import COLUMNS, adds_up, by_entity, together
from policyscope.attribution.trust.line import interval_values
from policyscope.attribution.trust.stability import ratio_of_sums
from policyscope.core.result import Result
from policyscope.envs.entities import entity_name, kind_name
from policyscope.recordings.replays.changes import ACTING, SCENERY

#: Identity of all that a scene is made of: its pieces mean nothing.
WHOLE = -1
#: Means over steps that have intervals, and what they are means of.
_MEANS = {"signed": "share", "absolute": "size", "greatest": "greatest"}


def with_entities(recording: Any, data: xr.Dataset) -> xr.Dataset:
    """An attribution with what it says of each entity in sight, row by row.

    Args:
        recording: an opened recording.
        data: of an attribution, with ``vehicles`` or a ``map`` over frames; else nothing is added.

    Returns:
        The data with ``sight_share`` along ``sight``, one for each entity in sight of each row, and
        ``sight_row``, ``sight_identity``, ``sight_kind`` and ``sight_places`` that say whose it is
        and how many places of the map it is of.

    Cost: that of ``entity_shares.by_entity``.
    """
    table = by_entity(recording, data)
    if table.empty:
        return data
    return data.assign(
        sight_share=("sight", table["share"].to_numpy(float)),
        sight_row=("sight", table["row"].to_numpy(int)),
        sight_identity=("sight", table["identity"].to_numpy(int)),
        sight_kind=("sight", table["kind"].to_numpy(dtype=str)),
        sight_places=("sight", table["places"].to_numpy(float)),
    )


def shares(result: Result) -> pd.DataFrame:
    """What an attribution says of each entity in sight of each row.

    Args:
        result: of ``attribution.explain.attribute``.

    Returns:
        Columns as ``entity_shares.by_entity`` has them; empty where the values lie on no entities.
    """
    data = result.data
    if "sight_share" not in data:
        return pd.DataFrame({name: [] for name in COLUMNS})
    row = data["sight_row"].values
    places = data["sight_places"].values if "sight_places" in data else 1.0
    return pd.DataFrame(
        {
            "row": row,
            "episode": data["episode"].values[row],
            "step": data["step"].values[row],
            "identity": data["sight_identity"].values,
            "kind": data["sight_kind"].values.astype(str),
            "share": data["sight_share"].values,
            "places": places,
        }
    )


def named(table: pd.DataFrame, add: bool) -> pd.DataFrame:
    """Lines of entities by name; what the scene is made of is taken together, a line a kind.

    Args:
        table: as ``entity_shares.by_entity`` gives it.
        add: whether shares add up, see ``entity_shares.adds_up``.

    Returns:
        The table with ``name``; of scenery the identity is -1.
    """
    table = table.assign(identity=table["identity"].mask(table["kind"].isin(SCENERY), WHOLE))
    if table.empty:
        return table.assign(name=[])
    table = together(table, ["row", "episode", "step", "identity", "kind"], add)
    names = [
        kind_name(kind) if who == WHOLE else entity_name(kind, who)
        for kind, who in zip(table["kind"], table["identity"], strict=True)
    ]
    return table.assign(name=names)


def by_identity(result: Result) -> list[dict[str, Any]]:
    """What each entity of each episode accounts for, over the steps at which it was in sight.

    Args:
        result: of ``attribution.explain.attribute``.

    Returns:
        For each entity, by episode and within it the largest first: ``name``, ``episode``,
        ``identity`` (-1 for scenery, taken together), ``kind``, ``steps`` that it was in sight,
        ``signed_mean`` and ``absolute_mean`` over those steps, in the target's unit, ``signed``
        and ``absolute`` sums over them, None where values do not add up, and ``greatest``, the
        share of those steps at which it accounts for something and nobody else for more: of the
        one who acts compared with everybody, of the others among themselves.
    """
    add = adds_up(result.data)
    return _over_steps(_with_sizes(named(shares(result), add), ["identity"]), ["identity"], add)


def by_kind(result: Result) -> list[dict[str, Any]]:
    """What the entities of each kind account for together, over all episodes.

    Args:
        result: of ``attribution.explain.attribute``.

    Returns:
        For each kind, the largest first: as ``by_identity``, without identity and episode. At each
        step the entities of a kind are taken together, and all kinds are compared. Of
        ``signed_mean``, ``absolute_mean`` and ``greatest`` also the 95 % bootstrap intervals over
        episodes: ``signed_interval``, ``absolute_interval``, ``greatest_interval``, with ``mean``,
        ``low``, ``high`` (None for one episode) and ``n`` episodes.
    """
    table, add = shares(result), adds_up(result.data)
    if table.empty:
        return []
    table = together(table, ["row", "kind"], add)
    names = [kind_name(kind) for kind in table["kind"]]
    table = _with_sizes(table.assign(episode=0, name=names), [])
    found = []
    for line in _over_steps(table, [], add):
        own = table[table["kind"] == line["kind"]]
        of = result.data["episode"].values[own["row"].to_numpy()]
        for name, column in _MEANS.items():
            values = own[column].to_numpy(float)
            over = ratio_of_sums(values, np.ones_like(values), of)
            line[f"{name}_interval"] = interval_values(over)
        found.append({k: v for k, v in line.items() if k != "episode"})
    return found


def _with_sizes(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """With ``size`` and whether it is the greatest of its row, ``greatest``."""
    table = table.assign(size=table["share"].abs())
    acts = table["kind"].isin(ACTING) | (not keys)
    most = table.groupby("row")["size"].transform("max")
    others = table.where(~acts).groupby(table["row"])["size"].transform("max")
    greatest = (table["size"] >= np.where(acts, most, others)) & (table["size"] > 0)
    return table.assign(greatest=greatest)


def _over_steps(table: pd.DataFrame, keys: list[str], add: bool) -> list[dict[str, Any]]:
    if table.empty:
        return []
    found = table.groupby(["episode", *keys, "kind", "name"], as_index=False).agg(
        steps=("row", "size"), signed=("share", "sum"), absolute=("size", "sum"),
        greatest=("greatest", "mean"),
    )  # fmt: skip
    found["signed_mean"] = found["signed"] / found["steps"]
    found["absolute_mean"] = found["absolute"] / found["steps"]
    order = ["episode", "absolute" if add else "absolute_mean"]
    found = found.sort_values(order, ascending=[True, False], kind="stable")
    lines = [dict(zip(found.columns, line, strict=True)) for line in found.values.tolist()]
    return lines if add else [{**line, "signed": None, "absolute": None} for line in lines]
