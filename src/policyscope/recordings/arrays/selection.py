"""Some whole episodes of a recording, to be read, cut into windows and drawn from."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from policyscope.core.errors import PolicyscopeError
from policyscope.recordings.arrays.lazy import Rows, Source, lazy_dataset
from policyscope.recordings.arrays.loader import batches
from policyscope.recordings.arrays.windows import Windows, sample


class Selection:
    """Some episodes of a recording; what it gives is of these alone.

    Args:
        recording: an open recording.
        episodes: lines of its table ``episodes``.
        moments: what a query found in them, where one chose them.

    Example:
        >>> good = recording.where(recording.episodes["return"] > 5)  # doctest: +SKIP
        >>> good.sample(64, seed=0, names=["obs", "action"])  # doctest: +SKIP
    """

    def __init__(
        self, recording: Source, episodes: pd.DataFrame, moments: pd.DataFrame | None = None
    ):
        self.recording, self.episodes, self.moments = recording, episodes, moments

    def __len__(self) -> int:
        return len(self.episodes)

    @cached_property
    def _rows(self) -> Rows:
        return Rows(self.recording, self.episodes)

    @property
    def data(self) -> xr.Dataset:
        """All steps as one dataset, of which only what is asked for is read; see ``Recording``."""
        return lazy_dataset(self._rows)

    def episode(self, k: int) -> xr.Dataset:
        """One of the episodes.

        Raises:
            PolicyscopeError: it is not among them.
        """
        self._require(k)
        return self.recording.episode(k)

    def entities(self, k: int) -> pd.DataFrame:
        """Entities of one of the episodes.

        Raises:
            PolicyscopeError: it is not among them.
        """
        self._require(k)
        return self.recording.entities(k)

    def rows(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of these episodes, as ``Recording.rows`` gives them."""
        return self.recording.rows(names, self.episodes["episode"].tolist())

    def windows(self, length: int, stride: int = 1, names: Sequence[str] | None = None) -> Windows:
        """Every window of ``length`` successive steps; see ``Windows``."""
        return Windows(self._rows, length, stride, names)

    def sample(
        self, n: int, seed: int, length: int = 1, names: Sequence[str] | None = None
    ) -> xr.Dataset:
        """Steps, or windows, drawn at random; see ``windows.sample``."""
        return sample(self._rows, n, seed, length, names)

    def batches(self, length: int, batch: int, **options: Any) -> Iterator[dict[str, np.ndarray]]:
        """Shuffled batches of windows, for training; see ``loader.batches``."""
        return batches(self.recording, length, batch, among=self.episodes, **options)

    def where(self, chosen: "str | pd.Series | np.ndarray") -> "Selection":
        """Fewer episodes.

        Args:
            chosen: true or false for each episode, such as ``episodes["return"] > 5``; or a query
                of ``policyscope find``, which keeps the episodes it finds a moment in, and the
                moments as ``moments``. ``top`` ranks over the whole recording.

        Raises:
            BadQuery: the query cannot be read, or names what the recording does not have.
            PolicyscopeError: not true or false for each episode.
        """
        if isinstance(chosen, str):
            found = self.recording.find(chosen)
            moments = found[found["episode"].isin(self.episodes["episode"])]
            kept = self.episodes["episode"].isin(moments["episode"])
            return Selection(self.recording, self.episodes[kept], moments.reset_index(drop=True))
        return Selection(self.recording, self.episodes[self._mask(chosen)])

    def split(self, hold_out: float = 0.1, seed: int = 0) -> "tuple[Selection, Selection]":
        """Part the episodes in two, for training and for validation.

        Args:
            hold_out: share of the episodes that the second part gets.
            seed: equal seeds part alike. An episode stays on its side when the recording grows.

        Returns:
            Training and validation; no episode is in both.

        Raises:
            PolicyscopeError: the share is not between 0 and 1.
        """
        if not 0 < hold_out < 1:
            raise PolicyscopeError(f"hold_out must lie between 0 and 1, got {hold_out}")
        held = held_out(self.episodes["episode"].to_numpy(), hold_out, seed)
        return (
            Selection(self.recording, self.episodes[~held]),
            Selection(self.recording, self.episodes[held]),
        )

    def _mask(self, chosen: pd.Series | np.ndarray) -> np.ndarray:
        if isinstance(chosen, pd.Series):
            if not self.episodes.index.isin(chosen.index).all():
                raise PolicyscopeError("where needs a line for each episode; use its own .episodes")
            chosen = chosen.loc[self.episodes.index].to_numpy()
        if chosen.dtype != bool or chosen.shape != (len(self),):
            raise PolicyscopeError(
                f"where needs true or false for each of {len(self)} episodes, "
                f"got {chosen.dtype} of shape {chosen.shape}"
            )
        return chosen

    def _require(self, k: int) -> None:
        if not (self.episodes["episode"] == k).any():
            raise PolicyscopeError(f"episode {k} is not among the {len(self)} selected")

    def __repr__(self) -> str:
        steps = int(self.episodes["steps"].sum())
        return f"<{len(self)} of {len(self.recording.episodes)} episodes, {steps} steps>"


def held_out(episodes: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Whether each episode is held out: one, drawn by the seed, of every 1 / share numbers.

    Args:
        episodes: (E,) numbers.
        share: between 0 and 1.
        seed: of the draws.

    Example:
        >>> int(held_out(np.arange(100), 0.1, 0).sum())
        10
    """
    exact = Fraction(str(share))  # the share as it is written; floats would cut runs wrongly
    runs = [k * exact.numerator // exact.denominator for k in episodes.tolist()]
    drawn = {}
    for run in sorted(set(runs)):
        first, beyond = (ceil(Fraction(r) / exact) for r in (run, run + 1))
        drawn[run] = int(np.random.default_rng([seed, run]).integers(first, beyond))
    return np.array([drawn[run] == k for run, k in zip(runs, episodes, strict=True)], bool)
