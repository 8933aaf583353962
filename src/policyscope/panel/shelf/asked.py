"""What a result answers, in one line: results of one method are told apart by it."""

import ast
from typing import Any

from policyscope.core.target_words import target_title

#: The site that goes without saying.
_INPUT = "preprocess"


def asked(method: str, parameters: dict[str, Any]) -> str:
    """Method, target, site and place of a result.

    Args:
        method: that made it.
        parameters: of the result; ``python`` tells episode and step.

    Example:
        >>> told = {"method": "grad_cam", "target": "value", "site": "4a.relu"}
        >>> asked("attribution", {**told, "python": "result = attribute(rec, episode=1, step=20)"})
        'grad_cam of value at 4a.relu, 1:20'
        >>> asked("attention", {})
        'attention'
    """
    text = {name: str(parameters.get(name) or "") for name in ("method", "target", "site")}
    name = text["method"] if method == "attribution" and text["method"] else method
    told = name.replace("attribution_audit", "audit")
    told += f" of {target_title(text['target'])}" if text["target"] else ""
    told += f" at {text['site']}" if text["site"] not in ("", _INPUT) else ""
    where = _place(parameters.get("python"))
    return f"{told}, {where}" if where else told


def _place(python: Any) -> str:
    """Episode and step that a line of Python names."""
    try:
        tree = ast.parse(python if isinstance(python, str) else "")
    except (SyntaxError, ValueError):
        return ""
    given: dict[str | None, Any] = {
        node.arg: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant)
    }
    if not isinstance(given.get("episode"), int):
        return ""
    step = given.get("step")
    return f"{given['episode']}:{step}" if isinstance(step, int) else f"episode {given['episode']}"
