"""Numbers as texts show them."""

from typing import SupportsFloat


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
