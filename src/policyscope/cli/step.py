"""What the verbs that ask about one recorded step share: where they write and what they print."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from policyscope.cli.place import require_folder
from policyscope.core.errors import BadFile
from policyscope.core.files import write_text

if TYPE_CHECKING:
    from policyscope.core.result import Result


@dataclass(frozen=True, kw_only=True)
class StepArgs:
    """Flags of each of them."""

    moment: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REC:EPISODE:STEP")]
    """Folder or URL of the recording, number of the episode, step whose decision comes next."""
    out: Path | None = None
    """Folder of the result and its page; default: one for each question in the recording."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the text."""
    theme: Literal["light", "dark"] = "light"
    """Look of the figure."""


def out_folder(given: Path | None, recording: str, verb: str, question: Sequence[object]) -> Path:
    """Folder of a result; default lies in the recording, one for each question.

    Args:
        given: what ``--out`` says.
        recording: folder of the recording, or its URL.
        verb: what was asked.
        question: what tells this question from others: episode and step, then the rest.

    Raises:
        BadFile: it holds something else.
        PolicyscopeError: a recording at a URL without ``--out``.
    """
    if given is None:
        require_folder(recording)
        episode, step, *rest = question
        mark = f"-{sha256(repr(rest).encode()).hexdigest()[:6]}" if any(rest) else ""
        given = Path(recording) / verb / f"{episode}-{step}{mark}"
    if given.exists() and not (given / "result.json").is_file():
        raise BadFile(given, "exists and is no result", "choose another --out")
    return given


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
