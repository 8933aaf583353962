"""From a recording to the data of its page."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.panel.schema import SCHEMA, EpisodePage, PageData, Track
from policyscope.panel.summary import summarise
from policyscope.recordings.read import Recording

MAX_OBSERVATION = 32
DIGITS = 5
_RECORDED = re.compile(r"policyscope record ([^-\s'\"]\S*)")


def page_data(
    recording: Recording,
    episodes: Sequence[int] | None = None,
    *,
    name: str = "recording",
    site: str | None = None,
) -> PageData:
    """Collect what the page shows.

    Args:
        recording: an open recording.
        episodes: numbers of the episodes to show; default is all.
        name: the recording as the user wrote it, for the lines that make the page.
        site: attention pattern to show; default is the first recorded one.

    Raises:
        UnknownName: no attention pattern of that name was recorded.
        PolicyscopeError: no such episode.
    """
    available = [int(k) for k in recording.episodes["episode"]]
    wanted = available if episodes is None else list(episodes)
    for k in wanted:
        if k not in available:
            raise PolicyscopeError(
                f"the recording has no episode {k}; it has {len(available)}, "
                f"{available[0]} to {available[-1]}"
            )
    site = _pattern_site(recording, site)
    outputs = _shown_outputs(recording)
    shape = tuple(recording.space.obs_shape)
    flat = len(shape) == 1 and shape[0] <= MAX_OBSERVATION
    pages = [_episode(recording, k, site, outputs, flat) for k in wanted]
    tail = f" {wanted[0]}" if len(wanted) == 1 and len(available) > 1 else ""
    python_tail = f", episodes=[{wanted[0]}]" if tail else ""
    return PageData(
        schema=SCHEMA,
        agent=_agent_name(recording),
        env=recording.env.to_json(),
        act=recording.act,
        actions=list(recording.space.actions),
        outputs=outputs,
        site=site,
        heads=int(recording.sites[site][0]) if site else 0,
        features=_feature_names(recording, shape[0]) if flat else [],
        scene=recording.scene or None,
        summary=summarise(recording.episodes),
        commands={
            "command line": f"policyscope export {name}{tail}",
            "Python": f'export_page(open_recording("{name}"), "page.html"{python_tail})',
        },
        provenance=dict(recording.provenance),
        episodes=pages,
    )


def _pattern_site(recording: Recording, asked: str | None) -> str | None:
    rows = len(recording.space.rows)
    found = [
        name
        for name, shape in recording.sites.items()
        if name.split(".")[-1] == "pattern" and len(shape) == 3 and tuple(shape[1:]) == (1, rows)
    ]
    if asked is not None and asked not in found:
        raise UnknownName("recorded attention pattern", asked, found)
    return asked or (found[0] if found else None)


def _shown_outputs(recording: Recording) -> list[str]:
    actions = len(recording.space.actions)
    shown = [
        name
        for name, shape in recording.outputs.items()
        if tuple(shape) in {(), (1,)} or (actions and tuple(shape) == (actions,))
    ]
    return sorted(shown, key=lambda name: name not in ("q", "logits"))


def _agent_name(recording: Recording) -> str:
    """The card's name, else what the agent was called when it was recorded, else its network."""
    named = recording.agent.card.get("name")
    called = _RECORDED.match(recording.provenance.get("command") or "")
    return str(named or (called and called.group(1)) or recording.agent.network[0])


def _feature_names(recording: Recording, count: int) -> list[str]:
    names = list(recording.space.features)
    return names if len(names) == count else [f"observation {i}" for i in range(count)]


def _episode(
    recording: Recording, k: int, site: str | None, outputs: list[str], flat: bool
) -> EpisodePage:
    data = recording.episode(k)
    pattern = data[f"sites/{site}"].values[:, :, 0, :] if site else None
    identities = data["row_identity"].values if "row_identity" in data else None
    absent = None
    if pattern is not None and identities is not None:
        absent = _rounded(np.where(identities[:, None, :] < 0, pattern, 0.0).sum(-1))
    action, policy = data["action"].values, data["policy_action"].values
    differs = (action != policy).reshape(len(action), -1).any(axis=1)
    return EpisodePage(
        episode=k,
        seed=_optional_int(data.attrs.get("seed")),
        outcome=str(data.attrs["outcome"]),
        total=_round(float(data.attrs["return"])),
        action=action.tolist() if action.ndim == 1 else _rounded(action),
        forced=np.flatnonzero(differs).tolist(),
        reward=_rounded(data["reward"].values),
        outputs={name: _output(data, name) for name in outputs},
        observation=_rounded(data["obs"].values) if flat else None,
        entities=_tracks(recording.entities(k), identities, pattern),
        absent=absent,
    )


def _output(data: xr.Dataset, name: str) -> list[Any]:
    values = data[name].values
    return _rounded(values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values)


def _tracks(
    entities: pd.DataFrame, identities: np.ndarray | None, pattern: np.ndarray | None
) -> list[Track]:
    """Tracks of the entities; of the rows' identities where the scene was not recorded."""
    if len(entities):
        ordered = entities.sort_values(["identity", "step"], kind="stable")
        return [_entity_track(table, pattern) for _, table in ordered.groupby("identity")]
    if identities is None:
        return []
    tracks = []
    for identity in np.unique(identities[identities >= 0]):
        steps, rows = np.nonzero(identities == identity)
        attention = None if pattern is None else _rounded(pattern[steps, :, rows])
        tracks.append(
            Track(
                int(identity), "", None, None, steps.tolist(),
                None, None, None, None, rows.tolist(), attention,
            )
        )  # fmt: skip
    return tracks


def _entity_track(table: pd.DataFrame, pattern: np.ndarray | None) -> Track:
    steps, rows = table["step"].to_numpy(), table["row"].to_numpy()
    attention = None
    if pattern is not None:
        attention = _rounded(np.where(rows[:, None] >= 0, pattern[steps, :, rows], 0.0))
    return Track(
        identity=int(table["identity"].iloc[0]),
        kind=str(table["kind"].iloc[0]),
        length=_round(table["length"].iloc[0]),
        width=_round(table["width"].iloc[0]),
        steps=steps.tolist(),
        x=_rounded(table["x"].to_numpy()),
        y=_rounded(table["y"].to_numpy()),
        heading=_rounded(table["heading"].to_numpy()),
        speed=_rounded(table["speed"].to_numpy()),
        row=rows.tolist(),
        attention=attention,
    )


def _optional_int(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _rounded(values: np.ndarray) -> list[Any]:
    """Nested lists with five significant digits; what is not finite becomes None."""
    if values.ndim > 1:
        return [_rounded(v) for v in values]
    return [_round(v) if np.isfinite(v) else None for v in values.astype(float).tolist()]
