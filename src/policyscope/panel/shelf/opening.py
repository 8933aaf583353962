"""Lines of Python that open what is shown: each copied line runs by itself."""

from collections.abc import Sequence

from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording

_READ = "from policyscope.recordings.read import open_recording"
_RESULT = "from policyscope.core.result import Result"


def opened(
    recording: Recording,
    path: str,
    expressions: Sequence[str] = (),
    imports: Sequence[str] = (),
    results: Sequence[str] = (),
) -> str:
    """Lines that open a recording as ``recording``, then say something of it.

    Args:
        recording: open; an unfinished one is opened with what it has.
        path: of its folder, as a user would type it.
        expressions: lines that follow.
        imports: lines that come first.
        results: names and paths of results, each ``'ID': 'PATH'``, opened as ``results``.

    Example:
        >>> print(opened(recording, "runs/rec", ["recording.episode(0)"]))  # doctest: +SKIP
        from policyscope.recordings.read import open_recording
        <BLANKLINE>
        recording = open_recording('runs/rec')
        recording.episode(0)
    """
    partial = "" if recording.finished else ", partial=True"
    heads = sorted({*imports, _READ, *([_RESULT] if results else [])})
    loaded = ", ".join(results)
    return "\n".join([
        *heads, "", f"recording = open_recording({path!r}{partial})",
        *([f"results = {{{loaded}}}"] if results else []), *expressions,
    ])  # fmt: skip


def loading(res: str, shelf: Shelf) -> str:
    """An entry of ``results`` in lines that ``opened`` makes.

    Args:
        res: id of a result.
        shelf: what is served.
    """
    return f"{res!r}: Result.load({typed_result(shelf, res)!r})"


def of_result(path: str, name: str) -> str:
    """Lines that load a result and give one of its variables.

    Args:
        path: of its folder, as a user would type it.
        name: of the variable.
    """
    return f"{_RESULT}\n\nResult.load({path!r}).data[{name!r}]"


def typed_result(shelf: Shelf, res: str) -> str:
    """The path of a result as a user would type it."""
    return shelf.typed(shelf.folder_of("result", res))
