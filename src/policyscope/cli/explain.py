"""``policyscope explain``: explain a recording."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from policyscope.circuits.config import AttentionConfig, MemoryConfig
from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import write_text
from policyscope.core.progress import tell_progress
from policyscope.core.registry import entry

EXAMPLES = """Explain a recording: attention heads, what memory does, or the traces of neurons.

examples:
  policyscope explain runs/rec --method attention
  policyscope explain runs/rec --out runs/attention --theme dark
  policyscope explain runs/rec --attention.horizon 5 --json - > attention.json
  policyscope explain runs/rec --method memory
  policyscope explain runs/rec --method traces --site output_layer.relus.1 --episode 3
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope explain``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REC")]
    """Folder of the recording."""
    method: str = "attention"
    """How to explain it: attention, memory or traces; an unknown name lists those there are."""
    site: str | None = None
    """Site to trace, with --method traces; an unknown name lists those there are."""
    episode: int | None = None
    """Episode to trace, with --method traces; default: the first one."""
    out: Path | None = None
    """Folder of the result and its figure; default: explain/METHOD in the recording."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the tables."""
    theme: Literal["light", "dark"] = "light"
    """Look of the figure."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    """Options of the method attention."""
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    """Options of the method memory."""
    card: str | None = None
    """Agent into whose card to write what was found, with --method memory."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope explain``."""
    args = parse(Args, argv, "explain", EXAMPLES)
    entry("method", args.method)
    if args.method not in _METHODS:
        told = f"method '{args.method}' has no command line; call it from Python"
        raise PolicyscopeError(f"{told}, or take {' or '.join(sorted(_METHODS))}")
    _check_flags(args)
    if args.out is None and "://" in args.recording:
        raise PolicyscopeError("a recording at a URL needs --out FOLDER for what is found")
    out = args.out or Path(args.recording) / "explain" / args.method
    if out.exists() and not (out / "result.json").is_file():
        raise BadFile(out, "exists and is no result", "choose another --out")
    if args.json not in (None, "-") and not Path(args.json).resolve().parent.is_dir():
        raise BadFile(args.json, "its folder does not exist", "make it, or choose another --json")
    command = f"policyscope explain {shlex.join(argv)}"
    values, show = _METHODS[args.method](args, out, command)
    tell_progress(2, 2, "done")
    values = {**values, "result": str(out), "figure": str(out / "figure.html")}
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
        return _exit(values)
    if args.json:
        write_text(args.json, text)
    show(values)
    return _exit(values)


def _exit(values: dict[str, Any]) -> int:
    """Code 3 tells a script that the explanation is there but a check of it failed."""
    return 0 if values["passed"] else 3


def _check_flags(args: Args) -> None:
    if args.method != "traces":
        for flag in ("site", "episode"):
            if getattr(args, flag) is not None:
                raise PolicyscopeError(f"--{flag} belongs to --method traces; leave it out")
    for method, options in (("attention", AttentionConfig()), ("memory", MemoryConfig())):
        if args.method != method and getattr(args, method) != options:
            raise PolicyscopeError(
                f"--{method}.* flags belong to --method {method}; leave them out"
            )
    if args.card and args.method != "memory":
        raise PolicyscopeError("--card belongs to --method memory; leave it out")


_Explained = tuple[dict[str, Any], Callable[[dict[str, Any]], None]]


def _attention(args: Args, out: Path, command: str) -> _Explained:
    tell_progress(0, 2, "computing")
    from policyscope.circuits.attention import explain
    from policyscope.circuits.report import report
    from policyscope.cli.explain_tables import attention_tables
    from policyscope.figures.attention_page import write_attention_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    result = explain(recording, args.attention, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_attention_page(result, recording, out / "figure.html", args.theme)
    return report(result), attention_tables


def _traces(args: Args, out: Path, command: str) -> _Explained:
    tell_progress(0, 2, "computing")
    from policyscope.circuits.report import traces_report
    from policyscope.circuits.traces import default_site, traces
    from policyscope.cli.explain_tables import traces_text
    from policyscope.figures.traces_page import write_traces_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    if args.site is None:
        site = default_site(recording) or next(iter(recording.sites), "SITE")
        raise PolicyscopeError(f"--method traces needs a site, e.g. --site {site}")
    first = 0 if recording.episodes.empty else int(recording.episodes["episode"].min())
    episode = first if args.episode is None else args.episode
    result = traces(recording, args.site, episode, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_traces_page(result, out / "figure.html", args.theme)
    return traces_report(result), traces_text


def _memory(args: Args, out: Path, command: str) -> _Explained:
    tell_progress(0, 2, "computing")
    from policyscope.circuits.memory import memory_use
    from policyscope.circuits.report import memory_report
    from policyscope.cli.explain_tables import memory_text
    from policyscope.figures.memory_page import write_memory_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    if args.card:
        _require_same_weights(args.card, recording)
    result = memory_use(recording, args.memory, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_memory_page(result, out / "figure.html", args.theme)
    values = memory_report(result)
    if args.card:
        from policyscope.agents.store import add_to_card

        add_to_card(args.card, "memory", values)
    return values, memory_text


def _require_same_weights(card: str, recording: Any) -> None:
    from policyscope.agents.fit import fingerprint
    from policyscope.agents.store import load_agent

    if fingerprint(load_agent(card)) != recording.plan.weights:
        raise PolicyscopeError(f"'{card}' has other weights than those that were recorded")


_METHODS: dict[str, Callable[[Args, Path, str], _Explained]] = {
    "attention": _attention,
    "memory": _memory,
    "traces": _traces,
}
