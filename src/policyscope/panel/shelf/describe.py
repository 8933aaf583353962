"""What holds for all episodes of a recording."""

import shlex

from policyscope.envs.actions import action_names, idle_actions
from policyscope.envs.entities import scene_units
from policyscope.panel.contract.recording import RecordingDetail
from policyscope.panel.shelf.environment import edits, large, picture_view
from policyscope.panel.shelf.lines import finite, recording_line
from policyscope.panel.shelf.liveness import why_no_world, why_not_live
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording

MOST_UNNAMED = 256


def describe(shelf: Shelf, rec: str) -> RecordingDetail:
    """Everything that holds for all episodes of a recording.

    Args:
        shelf: what is served.
        rec: id of the recording.

    Raises:
        UnknownName: no recording of that id.
        BadFile: it cannot be opened.
    """
    from policyscope.panel.views import listed_results, overlays, queries, tracks

    recording = shelf.recording(rec)
    folder = shelf.folder_of("recording", rec)
    line = recording_line(shelf, rec, folder)
    space = recording.space
    results = listed_results.results_of(shelf, rec)
    why = why_not_live(recording)
    path = shelf.typed(folder)
    return RecordingDetail(
        **dict(line),
        actions=list(space.actions),
        rows=list(space.rows),
        features=feature_names(recording),
        obs_shape=list(space.obs_shape),
        obs_dtype=space.obs_dtype,
        frames=shows_frames(recording),
        picture=picture_view(recording),
        large=large(recording),
        large_why=why_no_world(recording) if large(recording) else "",
        units=scene_units(recording.env.id),
        called=action_names(recording.env.id, recording.space.actions),
        idle=idle_actions(recording.env.id, recording.space.actions),
        edits=edits(recording),
        sites={name: list(shape) for name, shape in recording.sites.items()},
        outputs={name: list(shape) for name, shape in recording.outputs.items()},
        deciding=deciding(recording),
        scene=finite(recording.scene) or None,
        queries=queries.examples(recording),
        tracks=tracks.listed(recording, results),
        overlays=overlays.listed(recording, results),
        live=not why,
        live_why=why,
        python=opened(recording, path),
        command=f"policyscope panel {shlex.quote(path)}",
        provenance=finite(recording.provenance),
    )


def deciding(recording: Recording) -> str | None:
    """The output with one number an action: Q-values or logits where there are some."""
    actions = recording.space.actions
    named = [n for n, shape in recording.outputs.items() if actions and shape == (len(actions),)]
    return min(named, key=lambda name: name not in ("q", "logits"), default=None)


def shows_frames(recording: Recording) -> bool:
    """Whether the observation is an image, (height, width, 3) uint8."""
    shape = recording.space.obs_shape
    return len(shape) == 3 and shape[-1] == 3 and recording.space.obs_dtype == "uint8"


def feature_names(recording: Recording) -> list[str]:
    """Names of the features of the observation; numbered where a short vector has none."""
    names, shape = list(recording.space.features), recording.space.obs_shape
    if not names and len(shape) == 1 and shape[0] <= MOST_UNNAMED:
        return [f"observation {i}" for i in range(shape[0])]
    return names
