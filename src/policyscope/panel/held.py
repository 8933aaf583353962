"""What an exported page holds: the answers to the requests that it will make, by path.

``web/src/api/client.ts`` makes the paths and ``web/src/api/source.ts`` looks them up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.panel.inprocess import InProcess

SPARE_BYTES = 1_000_000
#: What the arrays of all episodes may take that the page cannot do without.
MOST_BYTES = 100_000_000
#: Episodes whose paths tell the page the scale of the scene; as in ``web/src/model/episode.ts``.
_SAMPLES = 5
LIVE_WHY = "an exported page has no server that could ask the agent"
_SITE = "sites/"


@dataclass
class Held:
    """Answers that a page needs.

    Args:
        values: answers in JSON, by path.
        blobs: answers of bytes, by path.
        left_out: what would have made the page too large, or could not be had, and why.
        episodes: numbers of the episodes it shows.
    """

    values: dict[str, Any] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    episodes: list[int] = field(default_factory=list)


@dataclass
class _Episode:
    path: str
    detail: dict[str, Any]
    overlays: dict[str, dict[str, Any]] = field(default_factory=dict)


def part(text: str) -> str:
    """A name as a part of a path, as the page encodes it."""
    return quote(text, safe="!~*'()")


def hold(
    ask: InProcess,
    rec: str,
    episodes: Sequence[int],
    sites: Sequence[str] = (),
    tracks: Sequence[str] = (),
) -> Held:
    """Gather what the page of some episodes needs.

    Args:
        ask: the application that shows the recording.
        rec: id of the recording.
        episodes: numbers of episodes; as many of the first as fit into ``MOST_BYTES``.
        sites: sites whose numbers are held however large they are; of the others, and of the
            overlays that are not shown from the start, as many as fit into ``SPARE_BYTES``.
        tracks: targets to hold and to show beside the recording's own tracks.

    Raises:
        UnknownName: no such site was recorded.
        PolicyscopeError: an episode cannot be read or is too large, or a track is no target.
    """
    held, base = Held(), f"/api/recordings/{part(rec)}"
    recording = ask.json(base)
    for site in sites:
        if site not in recording["sites"]:
            raise UnknownName("recorded site", site, recording["sites"])
    table = ask.json(f"{base}/episodes")
    read = _read_all(ask, held, recording, episodes)
    if read:
        _add_tracks(ask, recording, read[0].path, tracks)
    _leave_out_large(held, recording, read, sites)
    part_of = len(held.episodes) if len(held.episodes) < len(table["episode"]) else None
    recording.update(live=False, live_why=LIVE_WHY, large=None, large_why="", held=part_of)
    held.values[base] = recording
    held.values["/api/library"] = _library(ask, rec, part_of)
    held.values[f"{base}/episodes"] = _table(table, held.episodes)
    held.values[f"{base}/notes"] = ask.json(f"{base}/notes")
    held.values["/api/jobs"] = []
    for episode in read:
        _hold_episode(ask, held, recording, episode)
    if recording["scene"] and not recording["frames"]:
        _hold_scale(ask, held, base, table["episode"])
    held.left_out = list(dict.fromkeys(held.left_out))
    return held


def _read_all(
    ask: InProcess, held: Held, recording: dict[str, Any], episodes: Sequence[int]
) -> list[_Episode]:
    read: list[_Episode] = []
    total, base = 0, f"/api/recordings/{part(recording['id'])}"
    for k in episodes:
        episode = _read(ask, held, recording, f"{base}/episodes/{k}")
        size = sum(count for _, _, count in _needed(recording, episode))
        if size > MOST_BYTES and not read:
            told = f"episode {k} alone takes {size / 1e6:.1f} MB, a page {MOST_BYTES / 1e6:.1f} MB"
            raise PolicyscopeError(f"{told} at most; look at it with: policyscope panel")
        if total + size > MOST_BYTES:
            left = len(episodes) - len(read)
            held.left_out.append(
                f"{left} of {len(episodes)} episodes: a page takes {MOST_BYTES / 1e6:.1f} MB of "
                "arrays at most; export others by their number"
            )
            break
        read.append(episode)
        held.episodes.append(k)
        total += size
    return read


def _add_tracks(
    ask: InProcess, recording: dict[str, Any], path: str, tracks: Sequence[str]
) -> None:
    """List targets among the recording's tracks; each is looked up in one episode."""
    listed = {track["name"]: track for track in recording["tracks"]}
    for name in dict.fromkeys(tracks):
        if name in listed:
            listed[name]["shown"] = True
            continue
        (found,) = ask.json(f"{path}/tracks?name={part(name)}")
        info = {key: found[key] for key in ("name", "unit", "group", "kind")}
        recording["tracks"].append({**info, "shown": True, "source": "target"})


def _hold_scale(ask: InProcess, held: Held, base: str, there: Sequence[int]) -> None:
    """Hold the paths that the page takes the scale from, so that it is the panel's."""
    last = max(len(there) - 1, 0)
    for k in dict.fromkeys(int(i * last / (_SAMPLES - 1) + 0.5) for i in range(_SAMPLES)):
        path = f"{base}/episodes/{k}/thumbnail"
        if k in there and path not in held.values:
            with _spared(held, "thumbnails"):
                held.values[path] = ask.json(path)


def _read(ask: InProcess, held: Held, recording: dict[str, Any], path: str) -> _Episode:
    episode = _Episode(path, ask.json(path))
    for info in recording["overlays"]:
        with _spared(held, f"overlay {info['name']}"):
            name = info["name"]
            episode.overlays[name] = ask.json(f"{path}/overlays/{part(name)}")
    return episode


def _hold_episode(ask: InProcess, held: Held, recording: dict[str, Any], episode: _Episode) -> None:
    path = episode.path
    held.values[path] = episode.detail
    kept = {info["name"] for info in recording["overlays"]}
    refs = [*episode.detail["arrays"]]
    for name, overlay in episode.overlays.items():
        if name in kept:
            held.values[f"{path}/overlays/{part(name)}"] = overlay
            refs += _refs(overlay)
    for url in dict.fromkeys(ref["url"] for ref in refs):
        held.blobs[url] = _packed(ask.body(url), [ref for ref in refs if ref["url"] == url])
        if url.partition("?")[0] == f"{path}/arrays":
            episode.detail["bytes"] = len(held.blobs[url])
    for track in recording["tracks"]:
        with _spared(held, f"track {track['name']}"):
            asked = f"{path}/tracks?name={part(track['name'])}"
            held.values[asked] = ask.json(asked)
    with _spared(held, "thumbnails"):
        held.values[f"{path}/thumbnail"] = ask.json(f"{path}/thumbnail")


class _spared:
    """Notes what cannot be had, and goes on: the page then says so where it would stand."""

    def __init__(self, held: Held, what: str):
        self._held, self._what = held, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, PolicyscopeError):
            self._held.left_out.append(f"{self._what}: {error}")
            return True
        return False


def _refs(overlay: dict[str, Any]) -> list[dict[str, Any]]:
    return [ref for ref in (overlay["values"], overlay.get("identity")) if ref]


def _needed(recording: dict[str, Any], episode: _Episode) -> set[tuple[str, int, int]]:
    """Where the arrays lie without which the page cannot show an episode."""
    needed = {_span(ref) for ref in episode.detail["arrays"] if _site(ref) is None}
    for info in recording["overlays"]:
        if info["shown"] and info["name"] in episode.overlays:
            needed |= {_span(ref) for ref in _refs(episode.overlays[info["name"]])}
    return needed


def _leave_out_large(
    held: Held, recording: dict[str, Any], episodes: Sequence[_Episode], sites: Sequence[str]
) -> None:
    """Take sites and overlays out of the recording until the rest fits, the largest first."""
    sizes: dict[tuple[str, str], int] = {}
    for episode in episodes:
        needed = _needed(recording, episode)
        for ref in episode.detail["arrays"]:
            if (site := _site(ref)) is not None:
                size = 0 if _span(ref) in needed else ref["bytes"]
                sizes["site", site] = sizes.get(("site", site), 0) + size
        for name, overlay in episode.overlays.items():
            new = sum(ref["bytes"] for ref in _refs(overlay) if _span(ref) not in needed)
            sizes["overlay", name] = sizes.get(("overlay", name), 0) + new
    spare, kept = SPARE_BYTES, {("site", site) for site in sites}
    for key, size in sorted(sizes.items(), key=lambda item: item[1]):
        if key in kept or size == 0 or size <= spare:
            spare -= 0 if key in kept else size
            kept.add(key)
        else:
            mend = "; hold it with --site" if key[0] == "site" else ""
            held.left_out.append(f"{key[0]} {key[1]}: {size / 1e6:.1f} MB{mend}")
    _keep(recording, episodes, kept)


def _keep(
    recording: dict[str, Any], episodes: Sequence[_Episode], kept: set[tuple[str, str]]
) -> None:
    sites, overlays = recording["sites"], recording["overlays"]
    recording["sites"] = {name: shape for name, shape in sites.items() if ("site", name) in kept}
    recording["overlays"] = [info for info in overlays if ("overlay", info["name"]) in kept]
    for episode in episodes:
        arrays = episode.detail["arrays"]
        episode.detail["arrays"] = [
            ref for ref in arrays if (site := _site(ref)) is None or ("site", site) in kept
        ]


def _site(ref: dict[str, Any]) -> str | None:
    name = ref["name"]
    return name.removeprefix(_SITE) if name.startswith(_SITE) else None


def _span(ref: dict[str, Any]) -> tuple[str, int, int]:
    return ref["url"], ref["offset"], ref["bytes"]


def _packed(whole: bytes, refs: Sequence[dict[str, Any]]) -> bytes:
    """The bytes that arrays refer to, one behind the other; the arrays then refer to these."""
    places: dict[tuple[int, int], int] = {}
    packed = bytearray()
    for ref in refs:
        offset, size = ref["offset"], ref["bytes"]
        if (offset, size) not in places:
            packed += bytes(-len(packed) % 8)
            places[offset, size] = len(packed)
            packed += whole[offset : offset + size]
        ref["offset"] = places[offset, size]
    return bytes(packed)


def _library(ask: InProcess, rec: str, part_of: int | None) -> dict[str, Any]:
    library = ask.json("/api/library")
    lines = [line for line in library["recordings"] if line["id"] == rec]
    library["recordings"] = [{**line, "held": part_of} for line in lines]
    return {**library, "results": [], "methods": []}


def _table(table: dict[str, Any], episodes: Sequence[int]) -> dict[str, Any]:
    rows = [i for i, k in enumerate(table["episode"]) if k in set(episodes)]
    return {column: [values[i] for i in rows] for column, values in table.items()}
