"""Evaluate targets on the outputs and activations of a batch, differentiably."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Normal

from policyscope.core.directions import Direction
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.target_parser import Target, Term

_OUTPUT = {"q": "q", "logit": "logits", "logp": "logits"}


@dataclass(frozen=True)
class _Rows:
    outputs: Mapping[str, Tensor]
    sites: Mapping[str, Tensor]
    actions: tuple[str, ...]
    taken: Tensor | None
    directions: Mapping[str, Direction]
    recorded: Mapping[str, Tensor] | None

    def output(self, name: str) -> Tensor:
        if name not in self.outputs:
            raise UnknownName("output", name, self.outputs)
        return self.outputs[name]

    def site(self, name: str) -> Tensor:
        if name not in self.sites:
            raise UnknownName("site", name, self.sites)
        return self.sites[name]

    def executed(self, term: Term) -> Tensor:
        if self.taken is None:
            raise PolicyscopeError(f"target '{term}' needs the executed actions, none are given")
        return self.taken


def horizon(target: Target) -> int:
    """How many steps after its row the target looks: the largest offset."""
    return max(term.offset for term in target.terms)


def compares(target: Target) -> bool:
    """Whether a target is told against the outputs of the decision as recorded."""
    return any(term.kind == "same" for term in target.terms)


def needed_sites(
    target: Target, directions: Mapping[str, Direction] | None = None
) -> tuple[str, ...]:
    """Sites to capture for a target, each once.

    Args:
        target: the target.
        directions: directions by name, for targets that read one.

    Raises:
        UnknownName: a direction that is not given.
    """
    names: dict[str, None] = {}
    for term in target.terms:
        if term.kind == "site":
            names[term.name] = None
        elif term.kind == "direction":
            names[_direction(term, directions or {}).site] = None
    return tuple(names)


def evaluate(
    target: Target,
    outputs: Mapping[str, Tensor],
    sites: Mapping[str, Tensor],
    actions: tuple[str, ...],
    taken: Tensor | None = None,
    directions: Mapping[str, Direction] | None = None,
    recorded: Mapping[str, Tensor] | None = None,
) -> Float[Tensor, " N"]:
    """Value of a target without offsets at each row.

    Args:
        target: what to evaluate.
        outputs: what the network put out, by name: q (N, A), logits (N, A), value (N,), mean and
            log_std (N, D).
        sites: captured activations (N, ...) by site.
        actions: names of the A actions.
        taken: executed actions, (N,) or (N, D), for ``taken``.
        directions: directions by name.
        recorded: outputs of the same rows, or of a single one, as they were, for ``same``.

    Raises:
        UnknownName: an output, site, action or direction that is not there.
        PolicyscopeError: the target has offsets (use ``evaluate_terms`` and ``at_offsets``), or
            the agent has no such quantity.

    Example:
        >>> from policyscope.core.target_parser import parse_target
        >>> q = {"q": torch.tensor([[1.0, 4.0]])}
        >>> evaluate(parse_target("q[STAY]-q[GO]"), q, {}, ("GO", "STAY"))
        tensor([3.])
    """
    if horizon(target):
        raise PolicyscopeError(
            f"target '{target}' looks ahead, and this needs it of one step: ask for it at the "
            "later step itself, without @t"
        )
    return sum_terms(evaluate_terms(target, outputs, sites, actions, taken, directions, recorded))


def evaluate_terms(
    target: Target,
    outputs: Mapping[str, Tensor],
    sites: Mapping[str, Tensor],
    actions: tuple[str, ...],
    taken: Tensor | None = None,
    directions: Mapping[str, Direction] | None = None,
    recorded: Mapping[str, Tensor] | None = None,
) -> list[Float[Tensor, " N"]]:
    """Each term of a target at its own row, factor included, offsets not yet applied.

    Arguments and errors are those of ``evaluate``.
    """
    rows = _Rows(outputs, sites, tuple(actions), taken, directions or {}, recorded)
    return [term.factor * _term(term, rows) for term in target.terms]


def sum_terms(values: Sequence[Float[Tensor, " N"]]) -> Float[Tensor, " N"]:
    """Sum of the terms, row by row."""
    return torch.stack(list(values)).sum(0)


def at_offsets(
    target: Target, values: Sequence[Float[Tensor, " N"]], episode: Int[Tensor, " N"]
) -> Float[Tensor, " N"]:
    """The target at each row, every term read at its own offset.

    Args:
        target: the target whose terms they are.
        values: what ``evaluate_terms`` gave for N successive rows.
        episode: (N,) number of the episode of each row; rows of one stand together, in time order.

    Returns:
        (N,), NaN where a term would lie beyond the end of the row's episode.

    Raises:
        PolicyscopeError: the rows of an episode do not stand together.
    """
    changes = int((episode[1:] != episode[:-1]).sum())
    if len(episode) and changes + 1 != len(episode.unique()):
        raise PolicyscopeError("the rows of an episode must stand together, in order of time")
    return sum_terms(
        [_later(v, term.offset, episode) for term, v in zip(target.terms, values, strict=True)]
    )


def _later(value: Tensor, offset: int, episode: Tensor) -> Tensor:
    kept = max(len(value) - offset, 0)
    inside = episode[offset:] == episode[:kept]
    tail = value.new_full((len(value) - kept,), torch.nan)
    shifted = torch.where(inside, value[offset:], torch.nan)
    return torch.cat([shifted, tail])


def _term(term: Term, rows: _Rows) -> Tensor:
    if term.kind == "site":
        return _unit(term, rows.site(term.name))
    if term.kind == "direction":
        direction = _direction(term, rows.directions)
        return direction.project(rows.site(direction.site))
    if term.kind == "same":
        return _same(term, rows)
    if term.kind == "value":
        return _value(rows)
    if term.kind == "entropy":
        return _entropy(term, rows)
    if term.kind == "mean":
        return _column(term, rows.output("mean"), term.index[0])
    if term.kind == "logp" and "logits" not in rows.outputs and "mean" in rows.outputs:
        return _gaussian_logp(term, rows)
    if term.kind == "logp":
        _refuse_q(term, rows)
    scores = rows.output(_OUTPUT[term.kind])
    if term.kind == "logp":
        scores = scores.log_softmax(-1)
    return _of_action(term, scores, rows)


def _value(rows: _Rows) -> Tensor:
    if "value" not in rows.outputs and "q" in rows.outputs:
        return rows.outputs["q"].amax(-1)
    value = rows.output("value")
    return value[:, 0] if value.dim() == 2 and value.shape[1] == 1 else value


def _same(term: Term, rows: _Rows) -> Tensor:
    if rows.recorded is None:
        raise PolicyscopeError(
            f"target '{term}' compares with the decision as recorded, and here there is none to "
            "compare with: take another target, such as value or logp[taken]"
        )
    before = replace(rows, outputs=rows.recorded)
    if term.name == "value":
        return -((_value(rows) - _value(before)) ** 2) / 2
    name = next((one for one in ("q", "logits") if one in rows.outputs), "mean")
    able = before.output(name).isfinite()  # masked actions stay masked
    now, then = (one.output(name).where(able, 0.0) for one in (rows, before))
    return -((now - then) ** 2).sum(-1) / 2


def _entropy(term: Term, rows: _Rows) -> Tensor:
    if "logits" not in rows.outputs and "mean" in rows.outputs:
        return _normal(rows).entropy().sum(-1)
    _refuse_q(term, rows)
    logp = rows.output("logits").log_softmax(-1)
    finite = logp.clamp(min=torch.finfo(logp.dtype).min)  # a masked action: 0 * -inf is NaN
    return -(logp.exp() * finite).sum(-1)


def _refuse_q(term: Term, rows: _Rows) -> None:
    if "q" in rows.outputs and "logits" not in rows.outputs:
        raise PolicyscopeError(
            f"target '{term}': a Q agent acts greedily and has no log-probabilities; "
            "use q[...] or a difference such as q[0] - q[1]"
        )


def _normal(rows: _Rows) -> Normal:
    return Normal(rows.output("mean"), rows.output("log_std").exp())


def _gaussian_logp(term: Term, rows: _Rows) -> Tensor:
    normal = _normal(rows)
    if term.name not in ("taken", "best"):
        raise PolicyscopeError(
            f"target '{term}': the actions are continuous; use logp[taken] or logp[best]"
        )
    action = normal.mean if term.name == "best" else rows.executed(term)
    return normal.log_prob(action).sum(-1)


def _of_action(term: Term, scores: Tensor, rows: _Rows) -> Tensor:
    """Column of the action that a term names, from scores (N, A)."""
    if term.name == "best":
        return scores.amax(-1)
    if term.name == "taken":
        taken = rows.executed(term)
        if taken.shape != scores.shape[:1]:
            raise PolicyscopeError(
                f"target '{term}': executed actions have shape {tuple(taken.shape)}, "
                f"expected ({len(scores)},)"
            )
        return scores.gather(-1, taken.long()[:, None])[:, 0]
    if term.index:
        return _column(term, scores, term.index[0])
    if term.name not in rows.actions:
        raise UnknownName("action", term.name, [*rows.actions, "taken", "best"])
    return _column(term, scores, rows.actions.index(term.name))


def _column(term: Term, values: Tensor, index: int) -> Tensor:
    if index >= values.shape[-1]:
        raise PolicyscopeError(
            f"target '{term}': number {index} does not exist, valid are 0 to {values.shape[-1] - 1}"
        )
    return values[:, index]


def _unit(term: Term, activation: Tensor) -> Tensor:
    shape = tuple(activation.shape[1:])
    inside = len(term.index) == len(shape) and all(
        i < extent for i, extent in zip(term.index, shape, strict=True)
    )
    if not inside:
        raise PolicyscopeError(
            f"target '{term}': site '{term.name}' has shape {shape}, give one index for each axis "
            "within it"
        )
    place: tuple[int | slice, ...] = (slice(None), *term.index)
    return activation[place]


def _direction(term: Term, directions: Mapping[str, Direction]) -> Direction:
    if term.name not in directions:
        raise UnknownName("direction", term.name, directions)
    return directions[term.name]
