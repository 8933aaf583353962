"""Numbers as texts show them."""

from collections.abc import Mapping
from typing import Any, SupportsFloat

#: Share of the largest number of a column below which one is nothing: its bar cannot be seen.
_TRIFLE = 1e-3


def rounded(value: SupportsFloat, digits: int = 3) -> str:
    """A number to so many significant digits, and whole where it has more before the point.

    Args:
        value: any number.
        digits: significant digits that are kept of a fraction.

    Example:
        >>> rounded(0.01234), rounded(1234.5), rounded(float("nan"))
        ('0.0123', '1234', 'nan')
    """
    number = float(value)
    whole = 10**digits - 0.5 <= abs(number) < 1e15
    return f"{number:.0f}" if whole else f"{number:.{digits}g}"


def signed(value: SupportsFloat, digits: int = 3) -> str:
    """As ``rounded``, with a plus where there is no minus.

    Example:
        >>> signed(1234.5), signed(-0.5)
        ('+1234', '-0.5')
    """
    return ("" if rounded(value, digits).startswith("-") else "+") + rounded(value, digits)


def trifling(value: SupportsFloat, most: SupportsFloat) -> bool:
    """Whether a number is nothing beside the largest of its column.

    Example:
        >>> trifling(-2.3e-05, 5.13), trifling(0.02, 5.13), trifling(0, 0)
        (True, False, True)
    """
    return abs(float(value)) <= _TRIFLE * abs(float(most))


def mean_text(line: Mapping[str, Any]) -> str:
    """A mean with its interval, as JSON values hold it.

    Args:
        line: ``mean``, ``low`` and ``high``, None where there is none.

    Example:
        >>> mean_text({"mean": 0.5, "low": 0.25, "high": 1.0})
        '0.5 [0.25, 1]'
        >>> mean_text({"mean": 0.5, "low": None, "high": None})
        '0.5 (one episode)'
    """
    if line["mean"] is None:
        return "none"
    if line["low"] is None or line["high"] is None:
        return f"{rounded(line['mean'])} (one episode)"
    return f"{rounded(line['mean'])} [{rounded(line['low'])}, {rounded(line['high'])}]"
