"""``policyscope explain``: explain a recording."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from policyscope.circuits.config import AttentionConfig
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.registry import find

if TYPE_CHECKING:
    from policyscope.core.result import Result

EXAMPLES = """Explain a recording: what each attention head looks at, with intervals and verdicts.

examples:
  policyscope explain runs/rec --method attention
  policyscope explain runs/rec --out runs/attention --theme dark
  policyscope explain runs/rec --attention.horizon 5 --json - > attention.json
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope explain``."""

    recording: Annotated[str, tyro.conf.Positional]
    """Folder of the recording."""
    method: str = "attention"
    """How to explain it; an unknown name lists those there are."""
    out: Path | None = None
    """Folder of the result and its figure; default: explain/METHOD in the recording."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the tables."""
    theme: Literal["light", "dark"] = "light"
    """Look of the figure."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    """Options of the method attention."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope explain``."""
    args = tyro.cli(Args, args=list(argv), prog="policyscope explain", description=EXAMPLES)
    _check(args.attention)
    explain = find("method", args.method)
    out = args.out or Path(args.recording) / "explain" / args.method
    if out.exists() and not (out / "result.json").is_file():
        raise BadFile(out, "exists and is no result", "choose another --out")
    if args.json not in (None, "-") and not Path(args.json).resolve().parent.is_dir():
        raise BadFile(args.json, "its folder does not exist", "make it, or choose another --json")
    from policyscope.circuits.report import report
    from policyscope.cli.explain_tables import attention_tables
    from policyscope.figures.attention_page import write_attention_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    result: Result = explain(recording, args.attention)
    result.save(out, overwrite=True)
    write_attention_page(result, recording, out / "figure.html", args.theme)
    values = {**report(result), "result": str(out), "figure": str(out / "figure.html")}
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
        return _exit(values)
    if args.json:
        Path(args.json).write_text(text, encoding="utf-8")
    attention_tables(values)
    return _exit(values)


def _exit(values: dict[str, Any]) -> int:
    """Code 3 tells a script that the explanation is there but a check of it failed."""
    return 0 if values["passed"] else 3


def _check(config: AttentionConfig) -> None:
    if config.resamples < 100:
        raise PolicyscopeError(
            f"--attention.resamples must be at least 100 for an interval, got {config.resamples}"
        )
    if not 0.5 <= config.level < 1:
        raise PolicyscopeError(
            f"--attention.level must be 0.5 or more and less than 1, got {config.level}"
        )
    for name in ("horizon", "turn", "clear"):
        if getattr(config, name) <= 0:
            raise PolicyscopeError(
                f"--attention.{name} must be positive, got {getattr(config, name)}"
            )
