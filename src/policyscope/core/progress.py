"""How far a command is, told to the program that started it."""

import json
import os
import sys
from typing import Any

#: Set to 1, a command writes its progress to its standard error, one JSON object a line.
VARIABLE = "POLICYSCOPE_PROGRESS"


def tell_progress(done: int, total: int, doing: str) -> None:
    """Say how far this command is, if the program that started it asked to be told.

    Args:
        done: parts that are done.
        total: parts there are.
        doing: what comes next, in a few words.

    Example:
        >>> tell_progress(0, 2, "reading")
    """
    if os.environ.get(VARIABLE) == "1":
        line = json.dumps({"done": done, "total": total, "doing": doing})
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def read_progress(line: str) -> dict[str, Any] | None:
    """What a line of ``tell_progress`` says; None for any other line.

    Example:
        >>> read_progress('{"done": 1, "total": 2, "doing": "drawing"}')["doing"]
        'drawing'
    """
    if not line.startswith("{"):
        return None
    try:
        values = json.loads(line)
        counts = int(values["done"]), int(values["total"])
        return {"done": counts[0], "total": counts[1], "doing": str(values["doing"])}
    except (ValueError, KeyError, TypeError):
        return None
