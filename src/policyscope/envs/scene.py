"""SceneEdit: one serialisable change to the objects of a scene."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class SceneEdit:
    """A change to the scene.

    Args:
        kind: move, remove, add or speed; each environment lists those it can do.
        identity: the entity to change; None for ``add``.
        values: new values by name, in world units (metres, radians, metres per second).
    """

    kind: str
    identity: int | None = None
    values: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "SceneEdit":
        """Inverse of ``to_json``."""
        return cls(values["kind"], values["identity"], dict(values["values"]))
