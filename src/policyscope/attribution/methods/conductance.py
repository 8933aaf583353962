"""Conductance: how much of a target flows from the input through each hidden unit.

C_j   = integral over a of dF/dy_j (b + a (x - b)) * dy_j/da
C_ji  = (x_i - b_i) * integral over a of dF/dy_j * dy_j/dx_i
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, autograd, nn

from policyscope.attribution.asking.score import whole_baseline
from policyscope.attribution.methods.gradients import at_once
from policyscope.attribution.methods.paths import Attributed, ends, nodes, over
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.tails import Tail

CONDUCTANCE_RULES = ("trapezoid", "left")
#: Points of paths whose backward passes are made together.
TOGETHER = 32


def layer_conductance(
    rest: Tail,
    inner: str,
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    rule: str = "trapezoid",
    steps: int = 50,
) -> Attributed:
    """What flows through each unit of a hidden site, of the target's change from a baseline.

    Args:
        rest: the target as a function of an activation before the hidden site.
        inner: the hidden site.
        baseline: where the path begins, (N, ...) or one number.
        rule: trapezoid: the mean of the gradients at both ends of a step times the unit's change
            in it; left: the gradient at its beginning.
        steps: steps of the path.

    Returns:
        Values (N, ...) of the hidden site's shape, in the target's unit. Their sum is the whole
        change if nothing goes round the site.

    Raises:
        UnknownName: no such site.
        PolicyscopeError: no such rule, or the site lies not behind that of ``rest``.

    Cost: a forward and backward pass for each row and step.

    Reference: Dhamdhere et al. 2018, equation 3.
    """
    if rule not in CONDUCTANCE_RULES:
        raise PolicyscopeError(f"conductance takes the rule {' or '.join(CONDUCTANCE_RULES)}")
    start = whole_baseline(baseline, rest.activation)
    rows = torch.arange(len(start))
    parts = [_flow(rest, inner, start, some, rule, steps) for some in rows.split(at_once(rest))]
    values = torch.cat([part[0] for part in parts])
    before, after = ends(rest, start)
    change = after - before
    gap = change - values.double().flatten(1).sum(1)
    many = torch.full((len(start),), steps)
    ups_and_downs = torch.cat([part[1] for part in parts])
    unwatched = torch.full_like(change, torch.nan)
    return Attributed(values, gap, change, many, unwatched, ups_and_downs)


def _flow(
    rest: Tail, inner: str, start: Tensor, rows: Int[Tensor, " M"], rule: str, steps: int
) -> tuple[Float[Tensor, "M ..."], Float[Tensor, " M"]]:
    span = rest.activation[rows] - start[rows]
    together = max(at_once(rest) // len(rows), 1)
    total, ups_and_downs = torch.zeros(()), torch.zeros(())
    units: list[Tensor] = []
    slopes: list[Tensor] = []
    heights: list[Tensor] = []
    for steps_taken in torch.arange(steps + 1).split(together):
        share = over(steps_taken.to(span) / steps, span[None])
        points = (start[rows] + share * span).flatten(0, 1)
        unit, slope, _, value = _through(rest, inner, points, rows.repeat(len(steps_taken)))
        form = len(steps_taken), len(rows)
        unit = torch.cat([*units, unit.detach().unflatten(0, form)])
        slope = torch.cat([*slopes, slope.unflatten(0, form)])
        meant = (slope[:-1] + slope[1:]) / 2 if rule == "trapezoid" else slope[:-1]
        total = total + (meant * unit.diff(dim=0)).sum(0)
        value = torch.cat([*heights, value.detach().double().unflatten(0, form)])
        ups_and_downs = ups_and_downs + value.diff(dim=0).abs().sum(0)
        units, slopes, heights = [unit[-1:]], [slope[-1:]], [value[-1:]]
    return total, ups_and_downs


def neuron_conductance(
    rest: Tail,
    inner: str,
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    rule: str = "gauss",
    steps: int = 50,
) -> Float[Tensor, "N U ..."]:
    """What flows from each input through each unit of a hidden site.

    All units share the forward passes and the gradient by the site. A unit that nothing flows
    through at a point of the path, because the target does not move with it or its ReLU is shut,
    takes no backward pass there: a point costs as many as the row with most open units has.

    Args:
        rest: the target as a function of the input.
        inner: the hidden site; its U units are counted along all its axes.
        baseline: where the path begins, (N, ...) or one number.
        rule: as in ``paths.nodes``.
        steps: points on the path.

    Returns:
        (N, U, ...) in the target's unit; summed over the inputs it is the conductance of the unit.

    Raises:
        UnknownName: no such site.
        PolicyscopeError: the site lies not behind that of ``rest``.

    Cost: for each point, a forward pass and a backward pass for each open unit.

    Reference: Dhamdhere et al. 2018, section 2.
    """
    start = whole_baseline(baseline, rest.activation)
    span, count = rest.activation - start, len(start)
    at, weights = nodes(rule, steps)
    where, share = torch.as_tensor(at).to(span), torch.as_tensor(weights).to(span)

    def point(pairs: Int[Tensor, " P"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = pairs % count  # every row at the first point, then at the second
        return _through(
            rest, inner, start[rows] + over(where[pairs // count], span) * span[rows], rows
        )

    pairs = torch.arange(count * len(at))
    found = [_open(rest, inner, *point(some)[:2]) for some in pairs.split(at_once(rest))]
    is_open = torch.cat(found)
    # Points with about as many open units stand together: a pass for each of the most open.
    total = span.new_zeros(count * is_open.shape[1], span[0].numel())
    for some in is_open.sum(1).argsort().split(TOGETHER):
        most = int(is_open[some].sum(1).max())
        units = is_open[some].int().argsort(dim=1, descending=True, stable=True)[:, :most].T
        unit, slope, here, _ = point(some)
        flow = share[some // count, None] * slope.flatten(1) * is_open[some]
        way = flow.new_zeros(most, *flow.shape)
        slot, row = torch.arange(most)[:, None], torch.arange(len(some))
        way[slot, row, units] = flow[row, units]
        if most:
            (slopes,) = autograd.grad(unit.flatten(1), here, way, is_grads_batched=True)
            place = (some % count) * is_open.shape[1] + units
            total.index_add_(0, place.flatten(), slopes.flatten(2).flatten(0, 1))
    return total.view(count, -1, *span.shape[1:]) * span[:, None]


def _open(
    rest: Tail, inner: str, unit: Float[Tensor, "P ..."], slope: Float[Tensor, "P ..."]
) -> Bool[Tensor, "P U"]:
    """Units that something can flow through."""
    is_open = slope != 0
    if isinstance(rest.modules[inner], nn.ReLU):
        is_open &= unit.detach() > 0
    return is_open.flatten(1)


def _through(
    rest: Tail, inner: str, at: Tensor, rows: Int[Tensor, " M"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The hidden activation, the target's gradient by it, the point of both, and the target."""
    point = at.detach().requires_grad_()
    with torch.enable_grad(), capture(rest.modules, [inner]) as seen:
        value = rest(point, rows)
    unit = seen.get(inner)
    if unit is None or not unit.requires_grad:
        raise PolicyscopeError(f"site '{inner}' does not lie behind '{rest.site}'")
    (slope,) = autograd.grad(value.sum(), unit, retain_graph=True)
    return unit, slope, point, value
