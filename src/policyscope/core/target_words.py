"""A target as people read it."""

import re

_TERM = re.compile(r"\s*-\s*(?:([\d.]+)\s*\*\s*)?(\w+)\[(\w+)\]")
#: Coefficients are written with six digits.
_DIGITS = 2e-6


def target_title(target: str) -> str:
    """The text of a target, in which a mean over actions is a few words and not a term for each.

    Args:
        target: as the grammar writes it.

    Example:
        >>> target_title("q[taken] - 0.333333*q[SLOWER] - 0.333333*q[IDLE] - 0.333333*q[FASTER]")
        'q[taken] - mean of q over 3 actions'
        >>> target_title("q[FASTER] - q[SLOWER]")
        'q[FASTER] - q[SLOWER]'
    """
    found = re.fullmatch(rf"(\w+\[\w+\])((?:{_TERM.pattern}){{2,}})", target)
    if not found:
        return target
    terms = _TERM.findall(found[2])
    parts = {float(part or 1) for part, _, _ in terms}
    outputs = {output for _, output, _ in terms}
    one_each = len({action for _, _, action in terms}) == len(terms)
    even = len(parts) == 1 and abs(parts.pop() * len(terms) - 1) < _DIGITS * len(terms)
    return (
        f"{found[1]} - mean of {outputs.pop()} over {len(terms)} actions"
        if even and one_each and len(outputs) == 1
        else target
    )
