"""Versions of bytes: a page that knows an older layout must not read a newer one by it."""

import hashlib
from collections.abc import Hashable
from pathlib import Path

from policyscope.panel.failures import Changed
from policyscope.panel.shelf.shelf import stamp


def version_of(*parts: Hashable) -> str:
    """A short word that changes with what it is made of.

    Args:
        parts: signatures and the like; their text must tell them apart.
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def shard_version(shard: Path) -> str:
    """The version of a shard; a shard that is written anew gets another.

    Args:
        shard: its folder.
    """
    return version_of(stamp(shard, "shard.json", "arrays.zarr", "entities.parquet"))


def check_version(asked: str, now: str) -> None:
    """Refuse a request that was made from an older layout.

    Args:
        asked: the version that the request names; empty asks for whatever is there.
        now: the version of what is there.

    Raises:
        Changed: they differ.
    """
    if asked and asked != now:
        raise Changed("the recording was written anew; load the page again")
