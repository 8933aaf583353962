"""Where a result comes from, as the end of its page."""

from policyscope.core.result import Result
from policyscope.figures.page import code, table

_HEX = 12


def origin(result: Result) -> list[str]:
    """Fragments of HTML: recording, weights, versions, date, and how to make it again.

    Args:
        result: whose provenance was noted; what was not is left out.
    """
    told, made = result.parameters.get("recording") or {}, result.provenance
    lines = []
    if told:
        episodes, first = told["episodes"], told["seed"]
        count = f"{episodes} episode{'s' * (episodes != 1)} from seed {first} on"
        lines.append(("recording", f"{told['name']}: {told['env']}, {count}"))
        lines.append(("weights", f"SHA-256 {told['weights'][:_HEX]}…"))
    if made:
        versions = {"policyscope": made["policyscope"], **made["packages"]}
        lines.append(("made with", ", ".join(f"{name} {v}" for name, v in versions.items())))
        lines.append(("commit", made["commit"]))
        lines.append(("date", made["date"]))
        lines.append(("command", made["command"]))
    known = [(name, str(value)) for name, value in lines if value]
    parts = [table("Where this comes from", ("", ""), known)] if known else []
    return [*parts, code(result.python, "Again in Python")] if result.python else parts
