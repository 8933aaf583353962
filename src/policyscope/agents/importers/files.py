"""What all importers need of a file: its tensors, read without running anything, and a check."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from policyscope.agents.build import build_network
from policyscope.core.errors import BadFile

#: First bytes of what ``torch.save`` wrote before its files were archives.
OLD_TORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")


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
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives make the loader raise almost anything
        cause = first_line(error)
        raise BadFile(path, f"refused: damaged, or more than weights is in it: {cause}") from None


def check_archive(path: Path) -> list[str]:
    """Names in a zip archive whose checksums all fit; torch does not look at them.

    Raises:
        BadFile: the archive is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged, found = archive.testzip(), archive.namelist()
    except Exception as error:
        raise BadFile(path, f"damaged archive: {first_line(error)}") from None
    if damaged:
        raise BadFile(path, f"damaged archive: the checksum of {damaged} does not fit")
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
    with torch.device("meta"):  # a damaged file can ask for more memory than there is
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


def source(path: Path) -> dict[str, str]:
    """Name and digest of a file, for the card."""
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
