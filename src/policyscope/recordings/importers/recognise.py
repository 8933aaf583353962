"""Recognise who kept episodes from what is in a file or folder, and make a recording of them."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

from policyscope.agents.importers.files import OLD_TORCH, card_of
from policyscope.core.errors import BadFile
from policyscope.core.pickled_data import read_pickled
from policyscope.core.provenance import provenance
from policyscope.core.registry import find
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.importers.clarity import holds_rollouts
from policyscope.recordings.importers.generative import holds_generative
from policyscope.recordings.importers.imitation import NEEDED
from policyscope.recordings.importers.minari import dataset_folder
from policyscope.recordings.importers.trajectory import Kept, write_recording
from policyscope.recordings.read import Recording, open_recording

KIND = "recording importer"


def recognise_episodes(path: Path) -> str | None:
    """Name of the importer of episodes; None for any other file, damaged ones included.

    Args:
        path: any file or folder.

    Cost: reads a pickled file once; of a folder the names in it.
    """
    if path.is_dir():
        return _folder(path)
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


def _folder(path: Path) -> str | None:
    if dataset_folder(path):
        return "minari"
    return "generative" if holds_generative(path) else None


def import_episodes(
    path: str | Path,
    out: str | Path,
    lineage: str,
    env: EnvSpec | None = None,
    command: str | None = None,
) -> Recording:
    """Make a recording of a file or folder of episodes. No code in it is run.

    Args:
        path: the file or folder.
        out: folder of the recording; must not hold anything.
        lineage: registered name of the importer, e.g. ``recognise_episodes(path)``.
        env: the environment they are of, where the file does not say.
        command: the command line or Python line, for the provenance.

    Raises:
        UnknownName: no such importer.
        BadFile: what is read is damaged or refused, or ``out`` holds something.
        PolicyscopeError: the environment does not fit.

    Example:
        ``import_episodes("final.npz", "runs/rollouts", "imitation").episodes``
    """
    kept: Kept = find(KIND, lineage)(path, env=env)
    told = {"lineage": kept.lineage, "source": _source(Path(path)), "notes": list(kept.notes)}
    versions = kept.env.versions if kept.env else ()
    write_recording(kept, out, {**provenance(command, None, versions), **told})
    return open_recording(out)


def _source(path: Path) -> dict[str, Any]:
    """What a recording keeps of where it was read from.

    For a folder, which may hold hundreds of gigabytes, stand the names and sizes of its files.
    """
    if path.is_file():
        source: dict[str, Any] = card_of(path, "")["source"]
        return source
    files = sorted(p for p in path.rglob("*") if p.is_file())
    sizes = [p.stat().st_size for p in files]
    listing = "".join(
        f"{p.relative_to(path).as_posix()}\0{size}\n" for p, size in zip(files, sizes, strict=True)
    )
    return {
        "folder": path.resolve().name,
        "files": len(files),
        "bytes": sum(sizes),
        "listing_sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }
