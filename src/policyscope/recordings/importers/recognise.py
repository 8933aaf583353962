"""Recognise who kept episodes from what is in a file, and make a recording of them."""

import zipfile
from pathlib import Path

from policyscope.agents.importers.files import OLD_TORCH, card_of
from policyscope.core.errors import BadFile
from policyscope.core.pickled_data import read_pickled
from policyscope.core.provenance import provenance
from policyscope.core.registry import find
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.importers.clarity import holds_rollouts
from policyscope.recordings.importers.imitation import NEEDED
from policyscope.recordings.importers.trajectory import Kept, write_recording
from policyscope.recordings.read import Recording, open_recording

KIND = "recording importer"


def recognise_episodes(path: Path) -> str | None:
    """Name of the importer of a file of episodes; None for any other file, damaged ones included.

    Args:
        path: any file.

    Cost: reads a pickled file once.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(len(OLD_TORCH))
    if start[:1] == b"\x80" and start != OLD_TORCH:
        try:
            return "rl_clarity_rollouts" if holds_rollouts(read_pickled(path)) else None
        except BadFile:
            return None
    if start[:2] != b"PK":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # damaged archives make the reader raise almost anything
        return None
    arrays = bool(names) and all(name.endswith(".npy") for name in names)
    return "imitation" if arrays or {f"{n}.npy" for n in NEEDED} <= set(names) else None


def import_episodes(
    path: str | Path,
    out: str | Path,
    lineage: str,
    env: EnvSpec | None = None,
    command: str | None = None,
) -> Recording:
    """Make a recording of a file of episodes. No code in the file is run.

    Args:
        path: the file.
        out: folder of the recording; must not hold anything.
        lineage: registered name of the importer, e.g. ``recognise_episodes(path)``.
        env: the environment they are of, where the file does not say.
        command: the command line or Python line, for the provenance.

    Raises:
        UnknownName: no such importer.
        BadFile: the file is damaged or refused, or the folder holds something.
        PolicyscopeError: the environment does not fit.

    Example:
        ``import_episodes("final.npz", "runs/rollouts", "imitation").episodes``
    """
    kept: Kept = find(KIND, lineage)(path, env=env)
    source = card_of(Path(path), kept.lineage)
    told = {"lineage": source["lineage"], "source": source["source"], "notes": list(kept.notes)}
    versions = kept.env.versions if kept.env else ()
    write_recording(kept, out, {**provenance(command, None, versions), **told})
    return open_recording(out)
