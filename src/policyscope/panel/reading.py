"""Routes that read: the library, recordings, episodes, tracks, overlays, moments, results."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from policyscope.panel.attributing import choices
from policyscope.panel.contract.attribution import AttributionChoices
from policyscope.panel.contract.episode import (
    EpisodeDetail,
    OverlayValues,
    Picture,
    StepTable,
    TrackValues,
)
from policyscope.panel.contract.library import Library
from policyscope.panel.contract.moments import Moments
from policyscope.panel.contract.recording import EpisodeTable, RecordingDetail, Thumbnail
from policyscope.panel.contract.result import ResultDetail
from policyscope.panel.ranges import byte_range
from policyscope.panel.shelf import episode_file, library, pictures, results, thumbnails
from policyscope.panel.shelf.describe import describe
from policyscope.panel.shelf.episodes import episode_detail, episode_table
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views import overlays, step_table, tracks

router = APIRouter(prefix="/api", tags=["reading"])
Episode = Annotated[int, Path(ge=0)]
Name = Annotated[str, Query(max_length=200)]
Version = Annotated[str, Query(max_length=64)]
Asked = Annotated[str, Query(min_length=1, max_length=1000)]
Most = Annotated[int, Query(ge=1, le=10_000)]
OneEpisode = Annotated[int | None, Query(ge=0)]
Names = Annotated[list[str], Query(max_length=64)]


def shelf_of(request: Request) -> Shelf:
    """The recordings and results that this server shows."""
    return request.app.state.shelf


@router.get("/library")
def get_library(request: Request) -> Library:
    """All recordings and results in the served folder."""
    return library.listing(shelf_of(request))


@router.get("/recordings/{rec}")
def get_recording(rec: str, request: Request) -> RecordingDetail:
    """What holds for all episodes of a recording."""
    return describe(shelf_of(request), rec)


@router.get("/recordings/{rec}/episodes")
def get_episodes(rec: str, request: Request) -> EpisodeTable:
    """The table of all episodes."""
    return episode_table(shelf_of(request), rec)


@router.get("/recordings/{rec}/episodes/{k}")
def get_episode(rec: str, k: Episode, request: Request) -> EpisodeDetail:
    """One episode, and where its arrays lie."""
    return episode_detail(shelf_of(request), rec, k)


@router.get("/recordings/{rec}/episodes/{k}/arrays", response_class=Response)
def get_arrays(rec: str, k: Episode, request: Request, v: Version = "") -> Response:
    """Bytes of the episode's arrays; takes a ``Range``, and 409 "changed" for an old ``v``."""
    size, read = episode_file.open_bytes(shelf_of(request), rec, k, v)
    return byte_range(request, size, read)


@router.get("/recordings/{rec}/episodes/{k}/thumbnail")
def get_thumbnail(rec: str, k: Episode, request: Request) -> Thumbnail:
    """A small picture of an episode."""
    return thumbnails.thumbnail(shelf_of(request), rec, k)


@router.get("/recordings/{rec}/episodes/{k}/pictures/{step}")
def get_picture(rec: str, k: Episode, step: Episode, request: Request) -> Picture:
    """The scene before a step, as large as the engine draws it."""
    state = request.app.state
    return pictures.picture(state.shelf, state.worlds, rec, k, step)


@router.get("/recordings/{rec}/episodes/{k}/tracks")
def get_tracks(rec: str, k: Episode, name: Names, request: Request) -> list[TrackValues]:
    """Tracks of an episode: those the recording lists, and any target."""
    return tracks.values(shelf_of(request), rec, k, name)


@router.get("/recordings/{rec}/episodes/{k}/overlays/{name:path}/arrays", response_class=Response)
def get_overlay_arrays(
    rec: str, k: Episode, name: str, request: Request, v: Version = ""
) -> Response:
    """Bytes of an overlay's arrays; takes a ``Range``, and 409 "changed" for an old ``v``."""
    size, read = overlays.open_bytes(shelf_of(request), rec, k, name, v)
    return byte_range(request, size, read)


@router.get("/recordings/{rec}/episodes/{k}/overlays/{name:path}")
def get_overlay(rec: str, k: Episode, name: str, request: Request) -> OverlayValues:
    """An overlay of an episode, and where its arrays lie."""
    return overlays.values(shelf_of(request), rec, k, name)


@router.get("/recordings/{rec}/steps")
def get_steps(rec: str, x: Name, y: Name, request: Request) -> StepTable:
    """Two tracks over all steps of a recording, and where they lie."""
    return step_table.table(shelf_of(request), rec, x, y)


@router.get("/recordings/{rec}/steps/arrays", response_class=Response)
def get_step_arrays(rec: str, x: Name, y: Name, request: Request, v: Version = "") -> Response:
    """Bytes of the two tracks; takes a ``Range``, and 409 "changed" for an old ``v``."""
    size, read = step_table.open_bytes(shelf_of(request), rec, x, y, v)
    return byte_range(request, size, read)


@router.get("/recordings/{rec}/moments")
def get_moments(
    rec: str, query: Asked, request: Request, most: Most = 1000, episode: OneEpisode = None
) -> Moments:
    """Moments that a query describes, as far as a part of a second finds them; ask on for more."""
    state = request.app.state
    return state.searches.answer(state.shelf, rec, query, most, episode)


@router.get("/recordings/{rec}/attribution")
def get_attribution_choices(rec: str, request: Request) -> AttributionChoices:
    """Methods, sites and the usual target of explanations of a recording's agent."""
    state = request.app.state
    return choices(state.shelf, state.worlds, rec)


@router.get("/results/{res}")
def get_result(res: str, request: Request) -> ResultDetail:
    """A saved result: parameters, checks, and the line that makes it."""
    return results.detail(shelf_of(request), res)


@router.get("/results/{res}/figure")
def get_figure(res: str, request: Request, theme: str = "light") -> dict[str, Any]:
    """The figure of a result as plotly's JSON."""
    return results.figure(shelf_of(request), res, theme)
