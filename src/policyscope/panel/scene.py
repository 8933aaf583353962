"""Changes of a scene that a page asks for: as the library takes them, and as text to copy."""

from collections.abc import Sequence

from policyscope.envs.scene import SceneEdit
from policyscope.panel.contract.live import SceneChange

IMPORT = "from policyscope.envs.scene import SceneEdit"


def scene_edits(changes: Sequence[SceneChange]) -> list[SceneEdit]:
    """The changes as the library takes them."""
    return [SceneEdit(c.kind, c.identity, dict(c.values)) for c in changes]


def edits_python(edits: Sequence[SceneEdit]) -> str:
    """Changes as a Python list, for lines with ``IMPORT`` above them."""
    return f"[{', '.join(map(edit_python, edits))}]"


def edit_python(edit: SceneEdit) -> str:
    """A change as Python.

    Example:
        >>> edit_python(SceneEdit("remove", 3))
        "SceneEdit('remove', 3, {})"
    """
    return f"SceneEdit({edit.kind!r}, {edit.identity!r}, {edit.values!r})"


def edit_text(edit: SceneEdit) -> str:
    """A change of the scene as the command line takes it, with all its digits.

    Example:
        >>> edit_text(SceneEdit("move", 3, {"x": 4.0, "y": 7.25}))
        'move 3 x=4.0 y=7.25'
    """
    whose = [] if edit.identity is None else [str(edit.identity)]
    values = [f"{name}={value!r}" for name, value in edit.values.items()]
    return " ".join([edit.kind, *whose, *values])
