"""What the verbs that ask about one recorded step share: where they write and what they print."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policyscope.core.errors import BadFile
from policyscope.core.files import write_text

if TYPE_CHECKING:
    from policyscope.core.result import Result


def out_folder(given: Path | None, recording: Path, verb: str, name: str) -> Path:
    """Folder of a result; default lies in the recording.

    Args:
        given: what ``--out`` says.
        recording: folder of the recording.
        verb: what was asked.
        name: of the question.

    Raises:
        BadFile: it holds something else.
    """
    out = given or recording / verb / name
    if out.exists() and not (out / "result.json").is_file():
        raise BadFile(out, "exists and is no result", "choose another --out")
    return out


def check_json(path: str | None) -> None:
    """Refuse a ``--json`` that could not be written, before anything is computed.

    Raises:
        BadFile: its folder does not exist.
    """
    if path not in (None, "-") and not Path(str(path)).resolve().parent.is_dir():
        raise BadFile(str(path), "its folder does not exist", "make it, or choose another --json")


def put_json(path: str | None, values: dict[str, Any]) -> bool:
    """Write JSON where ``--json`` says; whether it took the place of the text."""
    if path is None:
        return False
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return True
    write_text(path, text)
    return False


def about(result: "Result", out: Path) -> dict[str, Any]:
    """JSON values that every answer about a step has.

    Args:
        result: the answer.
        out: its folder.
    """
    return {
        **{name: result.parameters[name] for name in ("recording", "episode", "step")},
        "checks": [check.to_json() for check in result.checks],
        "passed": result.passed,
        "result": str(out),
        "figure": str(out / "figure.html"),
    }


def tell_end(result: "Result", out: Path) -> int:
    """Print the checks and the page's place; the exit code, 3 where a check failed."""
    from rich.console import Console

    console = Console(highlight=False)
    for check in result.checks:
        console.print(str(check), markup=False, soft_wrap=True)
    console.print(f"page: {out / 'figure.html'}", markup=False, soft_wrap=True)
    return 0 if result.passed else 3
