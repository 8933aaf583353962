"""Windows: stretches of successive steps, each inside one episode."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from policyscope.core.errors import PolicyscopeError
from policyscope.recordings.arrays.dataset import labels
from policyscope.recordings.arrays.lazy import DECISION, Rows, labelled


class Windows:
    """Every window of some episodes, read when it is asked for.

    Args:
        rows: the steps of the episodes.
        length: steps of a window.
        stride: steps from the beginning of one to the beginning of the next in its episode.
        names: columns to read; all by default.

    Raises:
        PolicyscopeError: a length or stride below 1.
        UnknownName: no such column.

    Example:
        >>> windows = recording.windows(34, names=["obs", "action"])  # doctest: +SKIP
        >>> windows[0]["obs"].dims  # doctest: +SKIP
        ('step', 'obs.0', 'obs.1', 'obs.2')
        >>> windows[[5, 2]]["obs"].dims  # doctest: +SKIP
        ('window', 'offset', 'obs.0', 'obs.1', 'obs.2')
    """

    def __init__(
        self, rows: Rows, length: int, stride: int = 1, names: Sequence[str] | None = None
    ):
        for what, value in (("length", length), ("stride", stride)):
            if value < 1:
                raise PolicyscopeError(f"the {what} of windows must be at least 1, got {value}")
        self.length, self.stride = length, stride
        self.names = list(rows.names if names is None else dict.fromkeys(names))
        for name in self.names:
            rows.kind(name)
        self._rows = rows
        self._ends = np.cumsum(window_counts(rows.counts, length, stride))
        self._first_rows = np.cumsum(rows.counts) - rows.counts

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def episode(self) -> np.ndarray:
        """(N,) number of each window's episode."""
        return self._rows.numbers[self._place(np.arange(len(self)))[0]]

    @property
    def step(self) -> np.ndarray:
        """(N,) first step of each window."""
        return self._place(np.arange(len(self)))[1]

    def __getitem__(
        self, which: int | np.integer | slice | Sequence[int] | np.ndarray
    ) -> xr.Dataset:
        """One window with dims step, ..., or several with dims window, offset, ...

        Raises:
            IndexError: there is no such window.
        """
        if isinstance(which, int | np.integer):
            return self._one(int(which))
        numbers = np.arange(len(self))[which]
        lines, steps = self._place(numbers)
        offsets = np.arange(self.length)
        wanted = (self._first_rows[lines] + steps)[:, None] + offsets
        dims = ("window", "offset")
        variables = labelled(self._rows, self.names, wanted, dims)
        coords = {
            "window": numbers,
            "offset": offsets,
            "episode": ("window", self._rows.numbers[lines]),
            "step": (dims, steps[:, None] + offsets),
        }
        return _dataset(variables, coords, self._rows, {})

    def _one(self, number: int) -> xr.Dataset:
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} windows, there is no window {number}")
        lines, steps = self._place(np.array([number % len(self)]))
        line, first = int(lines[0]), int(steps[0])
        wanted = self._first_rows[line] + first + np.arange(self.length)
        variables = labelled(self._rows, self.names, wanted, ("step",))
        told = {"episode": int(self._rows.numbers[line]), "first": first}
        return _dataset(variables, {"step": first + np.arange(self.length)}, self._rows, told)

    def _place(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Line of the episodes and first step of windows."""
        lines = np.searchsorted(self._ends, numbers, side="right")
        before = np.append(0, self._ends[:-1])[lines] if len(self._ends) else lines
        return lines, (numbers - before) * self.stride

    def __repr__(self) -> str:
        return f"<{len(self)} windows of {self.length} steps, stride {self.stride}>"


def window_counts(steps: np.ndarray, length: int, stride: int) -> np.ndarray:
    """How many windows lie inside each episode.

    Args:
        steps: (E,) lengths of the episodes.
        length: steps of a window.
        stride: steps from one beginning to the next.

    Example:
        >>> window_counts(np.array([3, 4, 9]), 4, 2)
        array([0, 1, 3])
    """
    return np.where(steps < length, 0, (steps - length) // stride + 1)


def sample(
    rows: Rows, n: int, seed: int, length: int = 1, names: Sequence[str] | None = None
) -> xr.Dataset:
    """Steps or windows drawn at random, each of the recording with the same chance.

    Args:
        rows: the steps of the episodes.
        n: how many.
        seed: equal seeds draw the same.
        length: steps of a window; 1 draws single steps.
        names: columns to read; all by default.

    Returns:
        Dims decision, ... for single steps, else window, offset, ..., in the order drawn. Nothing
        comes twice, unless more are asked for than there are.

    Raises:
        PolicyscopeError: there is none to draw.
    """
    windows = Windows(rows, length, 1, names)
    if n < 1:
        raise PolicyscopeError(f"at least 1 must be drawn, got {n}")
    if not len(windows):
        raise PolicyscopeError(f"no episode has {length} steps; draw shorter windows")
    draws = np.random.default_rng(seed)
    drawn = windows[draws.choice(len(windows), n, replace=n > len(windows))]
    if length > 1:
        return drawn
    flat = drawn.isel(offset=0).drop_vars(["offset", "window"])
    return flat.rename({"window": DECISION})


def _dataset(variables: dict, coords: dict, rows: Rows, attributes: dict) -> xr.Dataset:
    dims = {dim for names, _ in variables.values() for dim in names}
    return xr.Dataset(variables, {**coords, **labels(dims, rows.recording.space)}, attributes)
