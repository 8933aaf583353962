"""Direction: a vector at a site, with separate forms for reading and for writing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from policyscope.core.errors import PolicyscopeError

VERSION = 1


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in the activations of a site.

    Args:
        site: name of the site; its units in their flattened order are the axis D.
        read: (D,) covector: its product with an activation is the coordinate.
        write: (D,) vector: one unit of it is added to raise the coordinate.
        name: e.g. ``ica/3``.
        source: what it comes from, e.g. the method and recording.

    Raises:
        PolicyscopeError: the two forms are not finite vectors of one length.

    Example:
        >>> d = Direction("trunk.relu0", np.array([1.0, 0.0]), np.array([1.0, 0.0]), "ica/0")
        >>> d.project(torch.tensor([[2.0, 5.0]])).item()
        2.0
    """

    site: str
    read: np.ndarray
    write: np.ndarray
    name: str
    source: str = ""

    def __post_init__(self) -> None:
        for form in ("read", "write"):
            vector = np.array(getattr(self, form), dtype=np.float64)
            vector.flags.writeable = False
            object.__setattr__(self, form, vector)
        if self.read.ndim != 1 or self.read.shape != self.write.shape or not len(self.read):
            raise PolicyscopeError(
                f"direction '{self.name}' needs read and write vectors of one length, "
                f"got shapes {self.read.shape} and {self.write.shape}"
            )
        if not (np.isfinite(self.read).all() and np.isfinite(self.write).all()):
            raise PolicyscopeError(f"direction '{self.name}' holds values that are not finite")

    def project(self, activation: Float[Tensor, " N *units"]) -> Float[Tensor, " N"]:
        """Coordinate of each row's activation along the direction; differentiable.

        Args:
            activation: what the site put out; its units, flattened, are the D of the direction.

        Raises:
            PolicyscopeError: the activation has another number of units.
        """
        flat = activation.flatten(1) if activation.dim() > 1 else activation[:, None]
        if flat.shape[1] != len(self.read):
            raise PolicyscopeError(
                f"direction '{self.name}' has {len(self.read)} units, site '{self.site}' has "
                f"{flat.shape[1]}"
            )
        return flat @ torch.from_numpy(self.read.copy()).to(flat)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "version": VERSION,
            "site": self.site,
            "name": self.name,
            "source": self.source,
            "read": self.read.tolist(),
            "write": self.write.tolist(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Direction":
        """Inverse of ``to_json``.

        Raises:
            PolicyscopeError: another version, or something is missing.
        """
        if values.get("version") != VERSION:
            raise PolicyscopeError(
                f"direction of schema version {values.get('version')}, "
                f"this code reads version {VERSION}"
            )
        try:
            site, name, source = (values[k] for k in ("site", "name", "source"))
            return cls(site, np.array(values["read"]), np.array(values["write"]), name, source)
        except (KeyError, ValueError) as error:
            raise PolicyscopeError(f"not a direction: {error!r}") from None
