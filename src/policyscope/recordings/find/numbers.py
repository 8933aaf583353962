"""Numbers that queries speak of, at successive steps of whole episodes. N steps."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.target_parser import parse_target
from policyscope.recordings.arrays.steps import Steps
from policyscope.recordings.arrays.targets import of_target
from policyscope.recordings.find.grammar import BadQuery, Number, Quantity, Sum, Written
from policyscope.rollouts.advantage import advantages

_JOIN: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
}  # fmt: skip


@dataclass
class Numbers:
    """Evaluates numbers of a query at some steps; what was read once is kept.

    Args:
        text: the query, for messages.
        steps: successive steps of whole episodes.
        gamma: discount of advantages, per step.
        lam: decay of advantages, per step.
        bootstraps: whether the value of what was seen last stands beyond a step limit.
        kinds: filled with the kinds of entities met.
    """

    text: str
    steps: Steps
    gamma: float
    lam: float
    bootstraps: bool = True
    kinds: set[str] = field(default_factory=set)
    _known: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def of(self, number: Number) -> Float[np.ndarray, " N"]:
        """A number at each step; NaN where it is not known.

        Raises:
            BadQuery: the recording has no such quantity.
        """
        if isinstance(number, Written):
            return np.full(len(self.steps), number.number)
        if isinstance(number, Sum):
            left = self.of(number.left)
            if number.right is None:
                return np.abs(left)
            right = self.of(number.right)
            if number.operator == "/":
                right = np.where(right == 0, np.nan, right)  # then the quotient is unknown
            with np.errstate(all="ignore"):  # what is too large is infinite, and compares as such
                return _JOIN[number.operator](left, right)
        key = number.entity, number.name
        if key not in self._known:
            self._known[key] = np.asarray(self._quantity(number), float)
        return self._known[key]

    def _quantity(self, quantity: Quantity) -> np.ndarray:
        if quantity.entity:
            return self._of_entity(quantity)
        rows = {"reward": self._reward, "return": self._return, "advantage": self._advantage,
                "margin": self._margin, "step": lambda: self.steps.step,
                "steps": self._lengths}  # fmt: skip
        try:
            return rows[quantity.name]() if quantity.name in rows else self._target(quantity.name)
        except BadFile:
            raise
        except PolicyscopeError as error:
            cause = f"the recording has no such number: {str(error).removesuffix('.')}"
            raise BadQuery(self.text, quantity.at, cause) from None

    def _target(self, text: str) -> np.ndarray:
        return of_target(parse_target(text), self.steps.recording.space.actions, self.steps)

    def _reward(self) -> np.ndarray:
        return self.steps.column("reward")

    def _return(self) -> np.ndarray:
        """Undiscounted, from this step to the end of the episode."""
        reward, out = self._reward().astype(float), np.zeros(len(self.steps))
        for one in spans(self.steps):
            out[one] = np.cumsum(reward[one][::-1])[::-1]
        return out

    def _advantage(self) -> np.ndarray:
        """Nothing is expected beyond an end; beyond a limit, if asked for, what was seen last."""
        reward, value, steps = (
            self._reward().astype(float),
            self._target("value").astype(float),
            self.steps,
        )
        terminated, out = steps.column("terminated"), np.zeros(len(steps))
        for one in spans(steps):
            ends = terminated[one][-1] or not self.bootstraps
            beyond = 0.0 if ends else value[one][-1]
            following = np.append(value[one][1:], beyond)
            over = np.arange(len(following)) == len(following) - 1
            rows = reward[one, None], value[one, None], following[:, None], over[:, None]
            out[one] = advantages(*rows, self.gamma, self.lam)[:, 0]
        return out

    def _margin(self) -> np.ndarray:
        """Score of the best action minus that of the second best."""
        name = "q" if "q" in self.steps.recording.outputs else "logits"
        ordered = np.sort(self.steps.column(name).astype(float), axis=1)
        return ordered[:, -1] - ordered[:, -2]

    def _lengths(self) -> np.ndarray:
        out = np.zeros(len(self.steps))
        for one in spans(self.steps):
            out[one] = one.stop - one.start
        return out

    def _of_entity(self, quantity: Quantity) -> np.ndarray:
        """Of the entity of a kind nearest to the one who acts (identity 0), or their count.

        The kind of the one who acts stands for that one.
        """
        table = self.steps.entity_columns(["identity", "kind", "x", "y", "speed"])
        self.kinds |= set(table["kind"].tolist())
        named, acts = table["kind"] == quantity.entity, table["identity"] == 0
        mine = named & acts if (named & acts).any() else named
        at = table["at"][mine]
        if quantity.name == "count":
            return np.bincount(at, minlength=len(self.steps)).astype(float)
        place = np.full((2, len(self.steps)), np.nan)
        place[:, table["at"][acts]] = table["x"][acts], table["y"][acts]
        distance = np.hypot(table["x"][mine] - place[0, at], table["y"][mine] - place[1, at])
        order = np.argsort(-distance, kind="stable")  # the nearest is written last
        out = np.full(len(self.steps), np.nan)
        values = distance if quantity.name == "distance" else table[quantity.name][mine]
        out[at[order]] = values[order]
        return out


def spans(steps: Steps) -> list[slice]:
    """Where each episode lies among the steps, in their order."""
    ends = np.flatnonzero(np.append(np.diff(steps.episode) != 0, True)) + 1
    starts = [0, *ends[:-1].tolist()]
    return [slice(a, b) for a, b in zip(starts, ends.tolist(), strict=True)] if len(steps) else []
