"""What the header and the table of episodes of a recording tell, without opening its shards."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from policyscope.core.errors import BadFile, PolicyscopeError, system_error
from policyscope.core.files import read_json
from policyscope.panel.contract.library import RecordingLine
from policyscope.panel.failures import without_folders
from policyscope.panel.shelf.methods import methods_for, suggestion
from policyscope.panel.shelf.shelf import Shelf, recording_signature
from policyscope.panel.shelf.summary import mean_return, outcome_shares
from policyscope.recordings.plan import UNKNOWN, read_header
from policyscope.recordings.read import open_recording
from policyscope.recordings.shards.store import finished_shards, read_table

_RECORDED = re.compile(r"policyscope record ([^-\s'\"]\S*)")


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a recording that is not opened.

    Args:
        line: its line in the library, without the interval of the return.
        weights: SHA-256 of the agent that was recorded.
        seed: of episode 0.
        returns: (episodes,) undiscounted.
    """

    line: RecordingLine
    weights: str = ""
    seed: int = 0
    returns: Any = ()


def facts(shelf: Shelf, rec: str, folder: Path) -> Facts:
    """What is known of a recording; one that cannot be read has a line with its problem.

    Args:
        shelf: what is served.
        rec: id of the recording.
        folder: its folder.

    Cost: some milliseconds the first time and when it changed.
    """
    signature = recording_signature(folder)
    known = shelf.noted("facts", folder, signature, lambda: _read(shelf, rec, folder))
    return known or _read(shelf, rec, folder)


def recording_line(
    shelf: Shelf, rec: str, folder: Path, patience: float = float("inf")
) -> RecordingLine:
    """The line of a recording in the library.

    Args:
        shelf: what is served.
        rec: id of the recording.
        folder: its folder.
        patience: seconds that the interval of the mean return may take where it is not known yet;
            where it takes longer the mean comes without it.
    """
    known = facts(shelf, rec, folder)
    signature = recording_signature(folder)
    found = shelf.noted("mean return", folder, signature, None)
    if found is None:
        found = mean_return(known.returns, patience)
        if found is not None and (found.low is not None or found.n == 1):
            shelf.noted("mean return", folder, signature, lambda: found)
    return known.line.model_copy(update={"mean_return": found})


def _read(shelf: Shelf, rec: str, folder: Path) -> Facts:
    path = shelf.path(folder)
    try:
        shelf.refuse_links(folder)
        values = read_header(folder)
        table, finished = _episodes(folder, values)
        return _facts(RecordingLine(id=rec, path=path, finished=finished), values, table, folder)
    except (PolicyscopeError, OSError) as error:
        known = system_error(error) if isinstance(error, OSError) else error
        problem = without_folders(str(known), shelf.folder)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"{path}: its recording.json is damaged ({type(error).__name__}: {error})"
    return Facts(RecordingLine(id=rec, path=path, finished=False, problem=problem))


def _facts(line: RecordingLine, values: dict[str, Any], table: pd.DataFrame, folder: Path) -> Facts:
    methods = methods_for(values, folder, len(table))
    more = {
        "agent": agent_name(folder, values.get("provenance")),
        "env": str(values["env"]["id"]),
        "act": str(values["act"]),
        "episodes": len(table),
        "steps": int(table["steps"].sum()),
        "recorded": recorded(values.get("provenance")),
        "outcomes": outcome_shares(table, _told_outcomes(values)),
        "methods": methods,
        "explain": suggestion(values, methods),
    }
    return Facts(
        RecordingLine(**{**dict(line), **more}),
        str(values["weights"]),
        int(values["seed"]),
        table["return"].to_numpy(),
    )


def _told_outcomes(values: dict[str, Any]) -> str:
    """The environment whose outcomes were told; none for episodes of another program."""
    return "" if values["act"] == UNKNOWN else str(values["env"]["id"])


def _episodes(folder: Path, values: dict[str, Any]) -> tuple[pd.DataFrame, bool]:
    planned = int(values["episodes"])
    shards = -(-planned // int(values["shard_episodes"]))
    finished = finished_shards(folder) == list(range(shards))
    if finished:
        try:
            table = read_table(folder / "episodes.parquet").to_pandas()
            if len(table) == planned:
                return table, True
        except BadFile:
            pass  # the shards hold it too
    return open_recording(folder, partial=True).episodes, finished


def agent_name(folder: Path, provenance: Any) -> str:
    """The card's name, else what the agent was called when it was recorded, else its network.

    Args:
        folder: of the recording.
        provenance: of the recording.
    """
    try:
        values = read_json(folder / "agent" / "agent.json")
        named, network = values["card"].get("name"), values["network"]["name"]
    except (PolicyscopeError, AttributeError, KeyError, TypeError):
        named, network = None, ""
    command = provenance.get("command") if isinstance(provenance, dict) else None
    called = _RECORDED.match(command if isinstance(command, str) else "")
    return str(named or (called and called.group(1)) or network)


def recorded(provenance: Any) -> str | None:
    """When something was made, as ISO time."""
    date = provenance.get("date") if isinstance(provenance, dict) else None
    return date if isinstance(date, str) else None


def finite(values: Any) -> Any:
    """JSON values with None for numbers that JSON has no form for."""
    return json.loads(json.dumps(values), parse_constant=lambda _: None)
