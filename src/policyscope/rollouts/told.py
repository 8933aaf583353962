"""What is told of shards while they are computed."""

import os
import traceback
from collections.abc import Callable

#: Is given the number of each shard that was finished.
Progress = Callable[[int], None]


def failure(shard: int | str, error: Exception) -> str:
    """One line about a shard that failed by a mistake of ours: which, what and where."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    cause = " ".join(str(error).split())
    return f"shard {shard} failed: {type(error).__name__}: {cause} ({place})"
