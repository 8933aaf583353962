"""Large pictures of recorded steps, drawn by the engine on demand and kept."""

import base64

from policyscope.core.errors import PolicyscopeError
from policyscope.panel.contract.episode import Picture
from policyscope.panel.shelf.environment import large
from policyscope.panel.shelf.liveness import why_no_world
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.shelf.thumbnails import png
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.worlds import Worlds, key


def picture(shelf: Shelf, worlds: Worlds, rec: str, k: int, step: int) -> Picture:
    """The scene before a step, as large as the engine draws it.

    The world is brought to the step by running the episode again, which must give what was
    recorded.

    Args:
        shelf: keeps what was drawn last.
        worlds: kept from one picture to the next.
        rec: id of the recording.
        k: number of the episode.
        step: row of the episode.

    Raises:
        UnknownName: no such recording or episode.
        PolicyscopeError: no such step, no large pictures of this environment, no engine, or a
            world that does not do what was recorded.

    Cost: about 20 ms for the next step, 2 ms more for each step between; nothing where it is kept.
    """
    recording = shelf.recording(rec)
    side, steps = large(recording), int(recording.line(k)["steps"])
    if side is None:
        raise PolicyscopeError(f"'{recording.env.id}' draws no larger pictures than it shows")
    if not step < steps:
        raise PolicyscopeError(f"episode {k} has no step {step}; it holds 0..{steps - 1}")
    return shelf.kept(
        recording,
        ("picture", k, step),
        lambda: Picture(side=side, image=_drawn(worlds, recording, k, step, side)),
        lambda made: len(made.image),
    )


def address(data: bytes) -> str:
    """A PNG file as a data address."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _drawn(worlds: Worlds, recording: Recording, k: int, step: int, side: int) -> str:
    if why := why_no_world(recording):
        raise PolicyscopeError(why)
    with worlds.alone(recording) as world:
        course = worlds.course(recording, k)
        frame = world.at((key(recording), k), course, step).render(side)
    return address(png(frame))
