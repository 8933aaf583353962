"""Functions registered as a track or an overlay: called with care, as they are others' code."""

from collections.abc import Callable, Collection, Sequence
from itertools import count
from typing import Any, TypeVar
from weakref import ref

from policyscope.core import registry
from policyscope.core.errors import PolicyscopeError
from policyscope.core.views import Overlay, Track
from policyscope.panel.shelf.cache import Cache
from policyscope.recordings.read import Recording

T = TypeVar("T")
_WANTED: dict[str, type[Track] | type[Overlay]] = {"track": Track, "overlay": Overlay}
_kept, _infos = Cache(), Cache()


def listed_name(entry: str, name: str) -> str:
    """What a view of a registered function is called on the page.

    Args:
        entry: name the function is registered under.
        name: name of the view.

    Example:
        >>> listed_name("speed", "speed"), listed_name("gaps", "ahead")
        ('speed', 'gaps: ahead')
    """
    return entry if name == entry else f"{entry}: {name}"


def free_name(name: str, taken: Collection[str]) -> str:
    """A name that is not taken: with a number behind it where it is.

    Example:
        >>> free_name("reward", ["value"]), free_name("reward", ["reward"])
        ('reward', 'reward (2)')
    """
    names = (name if i == 1 else f"{name} ({i})" for i in count(1))
    return next(n for n in names if n not in taken)


def of_first_episode(
    kind: str, entry: str, recording: Recording, info: Callable[[str, Any], T]
) -> list[T] | None:
    """What a registered function's views are listed as; None where it fails.

    It is called once for each recording, on the first episode.

    Args:
        kind: track or overlay.
        entry: name it is registered under.
        recording: an opened recording.
        info: makes the line of a view from its name on the page and the view.
    """

    def make() -> list[T] | None:
        try:
            k = int(recording.episodes["episode"].iloc[0])
            return [info(name, view) for name, view in call(kind, entry, recording, k).items()]
        except (PolicyscopeError, IndexError):
            return None  # it tells what is wrong when its values are asked for

    key = (ref(recording), kind, entry, registry.entry(kind, entry))
    return _infos.get(key, make, lambda _: 1000)


def call(kind: str, entry: str, recording: Recording, k: int) -> dict[str, Any]:
    """Views that a registered function gives for an episode, by the name they are listed under.

    Args:
        kind: track or overlay.
        entry: name it is registered under.
        recording: an opened recording.
        k: number of the episode.

    Raises:
        PolicyscopeError: the function fails or gives something else; it is named.

    Cost: the last calls are kept, 64 MB of them.
    """
    place = registry.entry(kind, entry)
    key = (ref(recording), kind, place, k)
    views = _kept.get(key, lambda: _call(kind, entry, recording, k), _bytes)
    return {listed_name(entry, view.name): view for view in views}


def _call(kind: str, entry: str, recording: Recording, k: int) -> Sequence[Any]:
    who = f"{kind} function '{entry}' ({registry.entry(kind, entry)})"
    try:
        views = list(registry.find(kind, entry)(recording, k))
    except Exception as error:  # others' code: whatever it raises must not end the page
        told = " ".join(str(error).split()) or "no message"
        raise PolicyscopeError(
            f"{who} failed on episode {k}: {type(error).__name__}: {told}"
        ) from error
    steps = int(recording.line(k)["steps"])
    for view in views:
        if not isinstance(view, _WANTED[kind]):
            wanted = _WANTED[kind].__name__
            raise PolicyscopeError(f"{who} gave a {type(view).__name__}, expected {wanted}")
        if len(view.values) != steps:
            raise PolicyscopeError(
                f"{who}: '{view.name}' has {len(view.values)} steps, episode {k} has {steps}"
            )
    names = [view.name for view in views]
    if len(set(names)) < len(names):
        raise PolicyscopeError(f"{who} gave two views of one name: {', '.join(sorted(names))}")
    return views


def _bytes(views: Sequence[Any]) -> int:
    return 1000 + sum(view.values.nbytes for view in views)
