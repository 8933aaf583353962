"""A recorded step as it is typed: ``REC:EPISODE:STEP``."""

from policyscope.core.errors import PolicyscopeError


def parse_moment(text: str) -> tuple[str, int, int]:
    """Folder or URL of the recording, episode and step.

    Raises:
        PolicyscopeError: it is not of this form.

    Example:
        >>> parse_moment("runs/rec:3:17")
        ('runs/rec', 3, 17)
    """
    path, *numbers = text.rsplit(":", 2)
    if not path or len(numbers) != 2 or not all(n.isdecimal() and n.isascii() for n in numbers):
        raise PolicyscopeError(
            f"'{text}' names no step of a recording; write REC:EPISODE:STEP, e.g. runs/rec:3:17"
        )
    return path, int(numbers[0]), int(numbers[1])
