"""EnvSpec: enough to make the same environment again."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class EnvSpec:
    """What makes an environment: its id, the settings that differ from its defaults, versions.

    Args:
        id: registered name, or ``gym:ID`` for a Gymnasium environment.
        options: settings by name, JSON values.
        versions: packages that decide its behaviour, by name.
    """

    id: str
    options: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "EnvSpec":
        """Inverse of ``to_json``."""
        return cls(values["id"], dict(values["options"]), dict(values["versions"]))
