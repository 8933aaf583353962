"""``policyscope explain``: explain a recording."""

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from policyscope.attribution.config import CAPTUM, METHODS, AttributionConfig, method_names
from policyscope.attribution.time_config import TimeConfig
from policyscope.attribution.unfit import unfit
from policyscope.circuits.config import AttentionConfig, MemoryConfig
from policyscope.cli.explain_methods import ATTRIBUTION, COMMANDS, THROUGH_TIME
from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.core.files import write_text
from policyscope.core.progress import tell_progress
from policyscope.core.registry import names
from policyscope.core.target_parser import parse_target

#: Methods that are asked about a target, each question with a result of its own.
QUESTIONS = (ATTRIBUTION, THROUGH_TIME)

EXAMPLES = """Explain a recording: why it acted so, attention heads, memory, traces of neurons.

examples:
  policyscope explain runs/rec --method attention
  policyscope explain runs/rec --method integrated_gradients
  policyscope explain runs/rec:3:17 --method integrated_gradients --target 'q[FASTER]-q[SLOWER]'
  policyscope explain runs/rec:3 --method grad_cam --target value --site 4a.relu
  policyscope explain runs/rec:3:40 --method blur --target 'same[policy]'
  policyscope explain runs/rec --method sarfa --attribution.baseline removed:3
  policyscope explain runs/rec --method captum:KernelShap --attribution.options n_samples=200
  policyscope explain runs/rec --audit --target value
  policyscope explain runs/rec --out runs/attention --theme dark
  policyscope explain runs/rec --attention.horizon 5 --json - > attention.json
  policyscope explain runs/rec --method memory
  policyscope explain runs/rec:3:40 --method through_time --target value
  policyscope explain runs/rec:3:40 --method through_time --through-time.by shapley
  policyscope explain runs/rec --method traces --site output_layer.relus.1 --episode 3
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope explain``."""

    recording: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REC")]
    """Folder of the recording; attributions also take REC:EPISODE and REC:EPISODE:STEP."""
    method: str = "attention"
    """How to explain it: attention, memory, traces, through_time, or an attribution; an unknown
    name lists those there are."""
    target: str | None = None
    """What is attributed, such as value or q[FASTER]-q[SLOWER]; default: why the action taken.
    sarfa takes one that names an action, slopes take none of same[...]."""
    site: str | None = None
    """Site to trace, or to attribute to (default: the observation); an unknown name lists those
    there are."""
    episode: int | None = None
    """Episode to trace (default: the first one) or to attribute in (default: all)."""
    step: int | None = None
    """Step of that episode to attribute at; default: all."""
    out: Path | None = None
    """Folder of the result and its figure; default: explain/METHOD in the recording."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the tables."""
    theme: Literal["light", "dark"] = "light"
    """Look of the figure."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    """Options of the method attention."""
    attribution: AttributionConfig = field(default_factory=AttributionConfig)
    """Options of attributions."""
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    """Options of the method memory."""
    through_time: TimeConfig = field(default_factory=TimeConfig)
    """Options of the method through_time."""
    audit: bool = False
    """Compare the methods of attribution by how far they hold, instead of running one."""
    card: str | None = None
    """Agent into whose card to write what was found, with --method memory."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope explain``."""
    args = asked(parse(Args, argv, "explain", EXAMPLES))
    out = args.out or Path(args.recording) / "explain" / found_name(args)
    if args.out is None and "://" in args.recording:
        raise PolicyscopeError("a recording at a URL needs --out FOLDER for what is found")
    if out.exists() and not (out / "result.json").is_file():
        raise BadFile(out, "exists and is no result", "choose another --out")
    if args.json not in (None, "-") and not Path(args.json).resolve().parent.is_dir():
        raise BadFile(args.json, "its folder does not exist", "make it, or choose another --json")
    command = f"policyscope explain {shlex.join(argv)}"
    values, show = COMMANDS[args.method](args, out, command)
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


def asked(args: Args) -> Args:
    """Arguments as the methods want them: shorthands spelt out, what does not fit refused.

    Raises:
        UnknownName: no such method.
        PolicyscopeError: a flag that belongs to another method.
    """
    if args.audit and args.method == Args.method:
        args = replace(args, method=ATTRIBUTION)
    if args.method in method_names() or args.method.startswith(CAPTUM):
        if args.attribution.method not in (AttributionConfig.method, args.method):
            raise PolicyscopeError(
                "the method is given twice, by --method and --attribution.method"
            )
        args = replace(
            args, method=ATTRIBUTION, attribution=replace(args.attribution, method=args.method)
        )
    if args.method not in names("method"):
        raise UnknownName("method", args.method, [*METHODS, *names("method"), f"{CAPTUM}NAME"])
    if args.method not in COMMANDS:
        told = f"method '{args.method}' has no command line; call it from Python"
        raise PolicyscopeError(f"{told}, or take {' or '.join(sorted(COMMANDS))}")
    _check_flags(args)
    if args.method not in QUESTIONS:
        path, *numbers = split_part(args.recording)
        if numbers != [None, None]:
            raise PolicyscopeError(
                f"the method {args.method} explains a whole recording: give {path}, or take a "
                "method such as --method integrated_gradients"
            )
        return args
    _check_target(args)
    given = {k: v for k in ("target", "site") if (v := getattr(args, k)) is not None}
    args = replace(args, **{args.method: replace(getattr(args, args.method), **given)})
    path, *numbers = split_part(args.recording)
    for name, number in zip(("episode", "step"), numbers, strict=True):
        if number is not None and getattr(args, name) is not None:
            raise PolicyscopeError(f"the {name} is given twice, by --{name} and in the recording")
    episode = args.episode if numbers[0] is None else numbers[0]
    step = args.step if numbers[1] is None else numbers[1]
    if step is not None and episode is None:
        raise PolicyscopeError("--step belongs to an --episode; give both")
    return replace(args, recording=path, episode=episode, step=step)


def _check_target(args: Args) -> None:
    """Refuse targets that are none of a decision, with a mend for the command line."""
    text = args.target or getattr(args, args.method).target
    if not text:
        return
    target = parse_target(text)
    why = unfit(args.attribution.method, target) if args.method == ATTRIBUTION else ""
    if why and not args.audit:
        raise PolicyscopeError(why)
    if found := [term.name for term in target.terms if term.kind == "direction"]:
        raise PolicyscopeError(
            f"target '{text}' reads a direction, and none can be given on the command line; in "
            f"Python give it as asking.score.score(..., directions={{{found[0]!r}: "
            "Direction(SITE, READ, WRITE)}), here take an output, or a unit such as site[NAME][0]"
        )
    if any(term.offset for term in target.terms):
        same = re.sub(r"\s*@\s*t\s*\+\s*\d+", "", text)
        later = "that step itself, as REC:EPISODE:STEP"
        through = f", or --method {THROUGH_TIME} for what earlier steps account for there"
        raise PolicyscopeError(
            f"target '{text}' looks ahead: ask '{same}' of {later}"
            f"{through if args.method != THROUGH_TIME else ''}"
        )


def split_part(text: str) -> tuple[str, int | None, int | None]:
    """Recording, episode and step of ``REC[:EPISODE[:STEP]]``.

    Example:
        >>> split_part("runs/rec:3"), split_part("s3://host:9/rec")
        (('runs/rec', 3, None), ('s3://host:9/rec', None, None))
    """
    found = re.fullmatch(r"(.+?)(?::(\d+))?(?::(\d+))?", text, re.ASCII | re.DOTALL)
    if found is None or Path(text).exists():
        return text, None, None
    path, *numbers = found.groups()
    episode, step = (None if n is None else int(n) for n in numbers)
    return path, episode, step


def found_name(args: Args) -> str:
    """Folder name of what is found: questions of attribution lie side by side.

    Example:
        >>> found_name(Args("rec", "attribution", attribution=AttributionConfig(target="value")))
        'integrated_gradients-value'
    """
    if args.method not in QUESTIONS:
        return args.method
    config = getattr(args, args.method)
    usual = type(config)()
    what = "audit" if args.audit else getattr(config, "method", args.method)
    where = "" if args.episode is None else f"e{args.episode}"
    where += "" if args.step is None else f"s{args.step}"
    asked = config.target.replace("[", ".").replace("]", "").replace("*", "x").replace(" ", "")
    site = getattr(config, "site", "")
    site = "" if site == getattr(usual, "site", "") else site
    plain = re.sub(r"[^\w.+-]", "_", "-".join(part for part in (what, asked, site, where) if part))
    told = [name for name in ("target", "site", "method", "trust") if hasattr(usual, name)]
    others = replace(config, **{name: getattr(usual, name) for name in told})
    if others == usual and len(plain) <= 100 and "_" not in asked:
        return plain
    full = repr((args.audit, config, args.episode, args.step)).encode()
    return f"{plain[:100]}-{hashlib.sha256(full).hexdigest()[:6]}"


def _exit(values: dict[str, Any]) -> int:
    """Code 3 tells a script that the explanation is there but a check of it failed."""
    return 0 if values["passed"] else 3


def _check_flags(args: Args) -> None:
    takes = {
        "traces": ("site", "episode"),
        ATTRIBUTION: ("site", "episode", "step", "target"),
        THROUGH_TIME: ("episode", "step", "target"),
    }
    for flag in ("site", "episode", "step", "target"):
        if getattr(args, flag) is not None and flag not in takes.get(args.method, ()):
            owners = " or ".join(name for name in takes if flag in takes[name])
            raise PolicyscopeError(
                f"--{flag} belongs to --method {owners}; name one, such as --method "
                f"{AttributionConfig.method}, or leave it out"
            )
    usual: dict[str, Any] = {"attention": AttentionConfig(), "memory": MemoryConfig()}
    usual |= {ATTRIBUTION: AttributionConfig(), THROUGH_TIME: TimeConfig()}
    for method, options in usual.items():
        if args.method != method and getattr(args, method) != options:
            raise PolicyscopeError(
                f"--{method}.* flags belong to --method {method}; leave them out"
            )
    if args.audit and args.method != ATTRIBUTION:
        raise PolicyscopeError("--audit is about attributions; leave out --method")
    if args.audit and not args.attribution.trust:
        raise PolicyscopeError(
            "--audit is the measuring of how far methods hold; leave out --attribution.no-trust"
        )
    if args.card and args.method != "memory":
        raise PolicyscopeError("--card belongs to --method memory; leave it out")
