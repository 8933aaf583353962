"""Overlays of an episode: maps per step, and the files that their numbers lie in."""

from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.core.views import Overlay
from policyscope.panel.contract.episode import ArrayRef, OverlayValues
from policyscope.panel.contract.recording import OverlayInfo
from policyscope.panel.ranges import Read
from policyscope.panel.shelf.episodes import episode_detail
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.shelf.version import check_version, shard_version, version_of
from policyscope.panel.views.built_in import patterns
from policyscope.panel.views.from_results import whole_scale
from policyscope.panel.views.listed_results import Results, results_of
from policyscope.panel.views.maps import Map, find, maps
from policyscope.recordings.arrays.steps import of_episode
from policyscope.recordings.read import Recording


@dataclass(frozen=True)
class Packed:
    """An overlay of one episode as the page gets it.

    Args:
        overlay: with values float32 and identity int32.
        low: value that the lowest colour stands for.
        high: value that the highest colour stands for.
    """

    overlay: Overlay
    low: float
    high: float

    def file(self) -> bytes:
        """The values, then the identity, little-endian."""
        parts = [self.overlay.values, self.overlay.identity]
        return b"".join(part.tobytes() for part in parts if part is not None)

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        identity = self.overlay.identity
        return self.overlay.values.nbytes + (0 if identity is None else identity.nbytes)


def values(shelf: Shelf, rec: str, k: int, name: str) -> OverlayValues:
    """An overlay of an episode, and where its arrays lie.

    Args:
        shelf: what is served.
        rec: id of the recording.
        k: number of the episode.
        name: one that is listed.

    Raises:
        UnknownName: no such recording, episode or overlay.
        PolicyscopeError: a registered function fails.
    """
    recording = shelf.recording(rec)
    if name in patterns(recording):
        return _pattern(shelf, rec, k, name)
    found = find(name, recording, results_of(shelf, rec))
    packed = _packed(shelf, recording, found, k)
    folder = f"/api/recordings/{quote(rec, safe='')}/episodes/{k}/overlays/{quote(name, safe='')}"
    made, url = packed.overlay, f"{folder}/arrays?v={_version(recording, found, k)}"
    identity = None
    if made.identity is not None:
        identity = _array("identity", url, made.identity, made.values.nbytes)
    imports = ["from policyscope.panel.views.overlays import overlay"]
    line = opened(
        recording, shelf.typed(recording.path), [f"overlay(recording, {k}, {name!r})"], imports
    )
    return OverlayValues(
        info=found.info.model_copy(update={"layers": list(made.layers)}),
        values=_array("values", url, made.values, 0),
        identity=identity,
        extent=made.extent,
        low=packed.low,
        high=packed.high,
        python=found.python or line,
    )


def open_bytes(shelf: Shelf, rec: str, k: int, name: str, version: str = "") -> tuple[int, Read]:
    """The file of an overlay's arrays: its size, and what reads from one byte up to another.

    Args:
        shelf: what is served.
        rec: id of the recording.
        k: number of the episode.
        name: one that is listed and computed.
        version: of the layout that the request was made from; empty for whatever is there.

    Raises:
        UnknownName: no such recording, episode or overlay.
        Changed: the episode or the overlay's result was written anew.
        PolicyscopeError: its numbers lie in the episode's arrays, or as for ``values``.
    """
    recording = shelf.recording(rec)
    if name in patterns(recording):
        raise PolicyscopeError(f"the numbers of overlay '{name}' lie in the episode's arrays")
    found = find(name, recording, results_of(shelf, rec))
    check_version(version, _version(recording, found, k))
    packed = _packed(shelf, recording, found, k)
    content = packed.file()
    return len(content), lambda first, last: content[first:last]


def listed(recording: Recording, results: Results) -> list[OverlayInfo]:
    """Overlays that every episode of a recording has.

    Args:
        recording: an opened recording.
        results: results made from it, by id.

    Cost: registered functions are called on the first episode, once.
    """
    return [found.info for found in maps(recording, results).values()]


def overlay(recording: Recording, k: int, name: str, results: Results | None = None) -> Overlay:
    """One overlay of one episode.

    Args:
        recording: an opened recording.
        k: number of the episode.
        name: one that is listed.
        results: results made from the recording, by id.

    Raises:
        UnknownName: no such episode or overlay.
        PolicyscopeError: a registered function fails.
    """
    return find(name, recording, results or {}).of(k)


def _version(recording: Recording, found: Map, k: int) -> str:
    return version_of(shard_version(recording.place(k)[0].folder), found.key)


def _packed(shelf: Shelf, recording: Recording, found: Map, k: int) -> Packed:
    of_episode(recording, k)  # refuses an episode that is not there before anything is computed
    return shelf.kept(
        recording,
        ("overlay", found.info.name, found.key, k),
        lambda: pack(found.of(k)),
        lambda packed: packed.size,
    )


def pack(made: Overlay) -> Packed:
    """An overlay as the page gets it: float32, int32, and the ends of its scale.

    Args:
        made: of one episode.
    """
    low, high = made.scale or whole_scale(made.values, made.signed)
    identity = None if made.identity is None else np.ascontiguousarray(made.identity, np.int32)
    numbers = np.ascontiguousarray(made.values, np.float32)
    small = Overlay(
        made.name, made.over, numbers, made.layers, made.unit, identity, made.extent,
        made.signed, made.scale, made.shown,
    )  # fmt: skip
    return Packed(small, float(low), float(high))


def _pattern(shelf: Shelf, rec: str, k: int, name: str) -> OverlayValues:
    recording = shelf.recording(rec)
    arrays = {array.name: array for array in episode_detail(shelf, rec, k).arrays}
    weights = arrays[f"sites/{name}"]
    steps, heads, _, rows = weights.shape
    return OverlayValues(
        info=maps(recording, {})[name].info,
        values=weights.model_copy(update={"shape": [steps, heads, rows]}),
        identity=arrays["row_identity"],
        low=0.0,
        high=1.0,
        python=opened(
            recording,
            shelf.typed(recording.path),
            [f"recording.episode({k})[{'sites/' + name!r}]"],
        ),
    )


def _array(name: str, url: str, array: np.ndarray, offset: int) -> ArrayRef:
    return ArrayRef(
        name=name,
        url=url,
        dtype="float32" if array.dtype == np.float32 else "int32",
        shape=list(array.shape),
        offset=offset,
        bytes=array.nbytes,
    )
