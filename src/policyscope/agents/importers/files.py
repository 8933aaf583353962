"""What all importers need of a file: its tensors, read without running anything, and a check."""

import hashlib
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from policyscope.agents.build import build_network
from policyscope.core.errors import BadFile

#: First bytes of what ``torch.save`` wrote before its files were archives.
OLD_TORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
#: Bytes that any archive may unpack to, and how many times its own size a larger one may.
LARGEST_UNPACKED, MOST_SWOLLEN = 2**30, 50


def read_torch(path: str | Path) -> Any:
    """Contents of a file of ``torch.save``, read without running anything in it, on the CPU.

    Args:
        path: an archive, or a file of torch before 1.6.

    Raises:
        BadFile: missing, truncated, corrupted, of another format, or refused because it would run
            code.
    """
    path = Path(path)
    if not path.is_file():
        raise BadFile(path, "no such file")
    if zipfile.is_zipfile(path):
        check_archive(path)
    elif not _starts(path, OLD_TORCH):
        raise BadFile(path, "is not a torch archive, or is truncated")
    return _loaded(path, path)


def read_torch_in(stored: bytes, path: Path) -> Any:
    """The same of an archive that lies in another.

    Args:
        stored: bytes of it.
        path: of the file around it, for messages.
    """
    if zipfile.is_zipfile(BytesIO(stored)):
        check_archive(path, stored)
    return _loaded(BytesIO(stored), path)


def _loaded(source: Path | BytesIO, path: Path) -> Any:
    try:
        return torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives make the loader raise almost anything
        cause = first_line(error)
        raise BadFile(path, f"refused: damaged, or more than weights is in it: {cause}") from None


def check_archive(path: Path, inside: bytes | None = None) -> list[str]:
    """Names in a zip archive whose checksums all fit; torch does not look at them.

    Args:
        path: the archive, and for messages.
        inside: bytes of an archive in it, which is then the one that is looked at.

    Raises:
        BadFile: the archive is damaged, or would be far larger unpacked.
    """
    size = path.stat().st_size if inside is None else len(inside)
    try:
        with zipfile.ZipFile(path if inside is None else BytesIO(inside)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
            swollen = unpacked > max(LARGEST_UNPACKED, MOST_SWOLLEN * size)
            damaged = None if swollen else archive.testzip()
            found = archive.namelist()
    except Exception as error:
        raise BadFile(path, f"damaged archive: {first_line(error)}") from None
    if swollen:
        raise BadFile(path, f"refused: its {size:,} bytes would unpack to {unpacked:,}")
    if damaged:
        told = ascii(damaged)[1:-1][:80]
        raise BadFile(path, f"damaged archive: the checksum of {told} does not fit")
    return found


def _starts(path: Path, with_bytes: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(with_bytes)) == with_bytes


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its kind."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def weights_of(values: Any, keys: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Weights in what a file holds: under the first of the keys that is there, or all of it.

    Returns:
        Weights by name; empty where there are none.

    Example:
        >>> weights_of({"state_dict": {"a": torch.ones(1)}}, ("state_dict",))
        {'a': tensor([1.])}
    """
    if not isinstance(values, Mapping):
        return {}
    inner = next((values[key] for key in keys if key in values), values)
    whole = isinstance(inner, Mapping) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in inner.items()
    )
    return dict(inner) if whole else {}


def require_shapes(
    weights: Mapping[str, Tensor], ranks: Mapping[str, int], what: str, path: Path
) -> None:
    """Refuse a file that lacks a weight from which the network's widths are read.

    Args:
        weights: by name.
        ranks: how many axes each needed weight has.
        what: the kind of network, for the message.
        path: for the message.

    Raises:
        BadFile: one is missing or has another number of axes.
    """
    for name, rank in ranks.items():
        if name not in weights or weights[name].dim() != rank:
            cause = "it has no" if name not in weights else "of another shape is its"
            raise BadFile(path, f"is no {what}: {cause} {name}")


def filled(
    made: tuple[str, dict[str, Any]], weights: Mapping[str, Tensor], path: Path
) -> nn.Module:
    """A network whose weights are those given, which must fit one to one, ready for evaluation.

    Args:
        made: registered name of the network and its constructor arguments.
        weights: by the network's names.
        path: for messages.

    Raises:
        BadFile: weights are missing, unknown, of another shape, or no finite numbers.
        PolicyscopeError: the network does not take the arguments.
    """
    # A damaged file can ask for more memory than there is, or for layers without a number.
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = build_network(*made)
    own = net.state_dict()
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or unknown:
        parts = [("missing", missing), ("unknown", unknown)]
        told = "; ".join(f"{word} weights: {_few(names)}" for word, names in parts if names)
        raise BadFile(path, f"does not fit {type(net).__name__}: {told}")
    for name, value in own.items():
        given = weights[name]
        if value.shape != given.shape:
            raise BadFile(
                path, f"weight {name} has shape {tuple(given.shape)}, expected {tuple(value.shape)}"
            )
        if not given.numel():
            raise BadFile(path, f"weight {name} has no numbers: its shape is {tuple(given.shape)}")
        announced = given.numel() * given.element_size()
        if given.layout != torch.strided or announced > given.untyped_storage().nbytes():
            raise BadFile(path, f"weight {name} has fewer numbers than its shape")
        if not given.is_floating_point() or not torch.isfinite(given).all():
            raise BadFile(path, f"weight {name} is not finite numbers")
    whole = {name: value.float().clone(memory_format=torch.contiguous_format)
             for name, value in weights.items()}  # fmt: skip
    net.load_state_dict(whole, assign=True)
    return net.eval()


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(ascii(name)[1:-1][:80] for name in names[:5]) + more


def card_of(path: Path, lineage: str, unused: Iterable[str] = ()) -> dict[str, Any]:
    """What every importer writes on the card of its agent.

    Args:
        path: the file.
        lineage: who writes such files.
        unused: names of the file's tensors that no output of the agent depends on.

    Returns:
        lineage; source, name and SHA-256 of the file; unused; and missing, names of the network's
        tensors that the file does not hold: none, for such a file is refused.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = {"file": path.name, "sha256": digest}
    return {"lineage": lineage, "source": source, "unused": list(unused), "missing": []}


def plain(value: Any) -> bool:
    """Whether a setting is text or a finite number, which JSON has a form for.

    Example:
        >>> plain("easy"), plain(3), plain(float("nan")), plain([1])
        (True, True, False, False)
    """
    return isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
