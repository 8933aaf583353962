"""``policyscope doctor``: prove an agent."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from policyscope.cli.bar import working
from policyscope.cli.flags import parse
from policyscope.core.errors import BadFile
from policyscope.core.files import write_text

if TYPE_CHECKING:
    from policyscope.agents.doctor.examine import Report

EXAMPLES = """Prove an agent: parity with its original, determinism, memory, gradients, sites, and
what no site shows. Ends with 3 where something failed.

examples:
  policyscope doctor highway-ego-attention
  policyscope doctor runs/cartpole --original ppo_cartpole.zip
  policyscope doctor runs/mine --original my_original.py --rows 1024
  policyscope doctor runs/dqn --original original_cleanrl.py --checkpoint dqn.cleanrl_model
  policyscope doctor runs/mine --json -
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope doctor``."""

    agent: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """Folder of an agent or of a training run, or a shipped agent's name."""
    original: Path | None = None
    """The checkpoint it was imported from, or a file of Python (which is run) that defines
    original(obs), with memory original(obs, state)."""
    checkpoint: Path | None = None
    """Weights for a file of Python that defines original_of(checkpoint), as those of the
    repository do for lineages without a library (tests/agents/parity/original_*.py)."""
    rows: int = 256
    """At least how many observations to compare with the original on."""
    seed: int = 0
    """Seed of the observations: of the first episode and of the random actions in it."""
    json: str | None = None
    """Write JSON to this file, or '-' to put it out instead of the tables."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope doctor``."""
    args = parse(Args, argv, "doctor", EXAMPLES)
    if args.json not in (None, "-") and not Path(args.json).resolve().parent.is_dir():
        raise BadFile(args.json, "its folder does not exist", "make it, or choose another --json")
    from policyscope.agents.doctor.examine import examine
    from policyscope.agents.store import load_agent

    with working("examining"):
        agent = load_agent(args.agent)
        report = examine(agent, args.rows, args.seed, args.original, args.checkpoint)
    text = json.dumps({"agent": args.agent, **report.to_json()}, indent=2, allow_nan=False) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
    elif args.json:
        write_text(args.json, text)
    if args.json != "-":
        _show(args.agent, report)
    return 0 if report.passed else 3


def _show(name: str, report: "Report") -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from policyscope.agents.doctor.findings import FAILED, PASSED
    from policyscope.agents.show import shape_text

    styles = {PASSED: "green", FAILED: "bold red"}
    console = Console(highlight=False)
    table = Table(Column("looked at", no_wrap=True), Column("", no_wrap=True), "found", title=name)
    for finding in report.findings:
        verdict = Text(finding.verdict, style=styles.get(finding.verdict, "yellow"))
        table.add_row(finding.name, verdict, Text(finding.told))
    console.print(table)
    if report.hidden:
        title = "computed in one forward pass and shown by no site"
        hidden = Table("in module", "call", "kind", "where", "times", title=title)
        for call in report.hidden:
            module = Text(call.module or "network")
            hidden.add_row(module, call.call, call.kind, call.place, str(call.calls))
        console.print(hidden)
    sites = Table(Column("site", no_wrap=True), "kind", "shape", title="sites")
    for site in report.sites:
        sites.add_row(Text(site.name), site.kind, shape_text(site.shape))
    console.print(sites)
    console.print(f"{name}: {report.conclusion}", markup=False)
