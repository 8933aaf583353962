"""Everything the doctor looks at, one after the other, and the report of it."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.agents.contract import CHECKS
from policyscope.agents.doctor.battery import TITLES, contract_finding
from policyscope.agents.doctor.findings import (
    FAILED,
    NOTED,
    PASSED,
    UNMEASURED,
    Finding,
    looked_at,
)
from policyscope.agents.doctor.flow import gradient_flow
from policyscope.agents.doctor.hidden import HiddenCall, hidden_calls
from policyscope.agents.doctor.observations import Observed, observe
from policyscope.agents.doctor.origin import compare_origin, source_of
from policyscope.agents.doctor.originals import find_original
from policyscope.agents.doctor.parity import parity
from policyscope.agents.importers.recognise import recognise
from policyscope.core.errors import BadFile
from policyscope.core.sites import Site

_FEW = 4


@dataclass(frozen=True)
class Report:
    """What was found of an agent.

    Args:
        findings: in the order in which they were made.
        observed: what it was examined on.
        sites: its sites, in the order in which they fire.
        hidden: computations that no site shows.
    """

    findings: tuple[Finding, ...]
    observed: Observed
    sites: tuple[Site, ...]
    hidden: tuple[HiddenCall, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed; what is noted or not measured has not."""
        return all(finding.verdict != FAILED for finding in self.findings)

    @property
    def conclusion(self) -> str:
        """In a few words what failed, or that nothing did and whether parity was measured."""
        failed = [finding.name for finding in self.findings if finding.verdict == FAILED]
        if failed:
            return f"FAILED: {', '.join(failed)}"
        measured = any(f.name == "parity" and f.verdict != UNMEASURED for f in self.findings)
        return "nothing failed" if measured else "nothing failed; parity was not measured"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "passed": self.passed,
            "observations": {
                "n": self.observed.rows,
                "source": self.observed.source,
                "real": self.observed.real,
            },
            "findings": [finding.to_json() for finding in self.findings],
            "hidden": [asdict(call) for call in self.hidden],
            "sites": [{**asdict(site), "shape": list(site.shape)} for site in self.sites],
        }


def examine(
    agent: Agent,
    rows: int = 256,
    seed: int = 0,
    original: Path | None = None,
    checkpoint: Path | None = None,
) -> Report:
    """Look at all that can be said of an agent without judging how well it acts.

    Args:
        agent: as ``load_agent`` gives it.
        rows: at least how many observations to compare with the original on.
        seed: of the observations.
        original: the file it was imported from, or a file of Python that defines ``original``.
        checkpoint: what a file of Python reads that defines ``original_of(checkpoint)``.

    Raises:
        BadFile: the original cannot be read.
        PolicyscopeError: too few rows, or a checkpoint that nothing reads.

    Cost: the environment's steps, and some hundred forward passes of few observations.

    Example:
        >>> from policyscope.agents.store import load_agent
        >>> examine(load_agent("highway-ego-attention"), 32).passed
        True
    """
    observed = observe(agent, rows, seed)
    found = find_original(agent, original, checkpoint)
    hidden: list[HiddenCall] = []
    sites: list[Site] = []

    def compared() -> Finding:
        if found.original is None:
            return Finding("parity", UNMEASURED, found.told)
        figure = parity(agent, found.original, observed.obs)
        verdict = PASSED if figure.check.passed else FAILED
        told = (
            f"{figure} (bound {figure.check.bound:.0e}, relative, n = {figure.rows}); {found.told}"
        )
        return Finding("parity", verdict, told, figure.check)

    def watched() -> Finding:
        sites.extend(agent.sites().values())
        hidden.extend(hidden_calls(agent, observed.obs[0]))
        return _hidden(hidden)

    findings = [_observations(observed), looked_at("parity", compared)]
    for check in CHECKS:
        look = partial(contract_finding, agent, observed.obs, check)
        findings.append(looked_at(TITLES[check][0], look))
    findings += [
        looked_at("gradients", lambda: _flow(agent, observed)),
        looked_at("hidden operations", watched),
        _weights(agent, original, checkpoint),
    ]
    return Report(tuple(findings), observed, tuple(sites), tuple(hidden))


def _observations(observed: Observed) -> Finding:
    verdict = FAILED if observed.misfit else PASSED if observed.real else NOTED
    return Finding("observations", verdict, f"n = {observed.rows}: {observed.source}")


def _hidden(calls: list[HiddenCall]) -> Finding:
    if not calls:
        return Finding(
            "hidden operations", PASSED, "none: every nonlinearity is in a site's module"
        )
    kinds: dict[str, int] = {}
    for call in calls:
        kinds[call.kind] = kinds.get(call.kind, 0) + call.calls
    told = ", ".join(f"{kind} x {count}" for kind, count in kinds.items())
    return Finding("hidden operations", NOTED, f"in no site: {told}")


def _flow(agent: Agent, observed: Observed) -> Finding:
    flow = gradient_flow(agent, observed.obs[:_FEW])
    told = f"reach {len(flow.reached)} sites; n = {flow.rows} observations"
    for what, names in (
        ("CUT from the outputs", flow.cut),
        ("zero on these", flow.silent),
        ("no floating-point numbers", flow.undifferentiable),
    ):
        told += f"; {what}: {', '.join(names)}" if names else ""
    return Finding("gradients", PASSED if flow.holds else FAILED, told)


def _weights(agent: Agent, original: Path | None, checkpoint: Path | None = None) -> Finding:
    """Tensors of the file that are not used, and weights that it lacks."""
    file = checkpoint or (None if original and original.suffix == ".py" else original)
    if file is None:
        source = source_of(agent)
        if not source:
            return Finding("weights", UNMEASURED, "the card names no file it was imported from")
        told = [f"the import of {source['file']} recorded"]
        for word in ("unused", "missing"):
            names = agent.card.get(word)
            listed = _few(names) if isinstance(names, list) else "no record"
            told.append(f"{word}: {listed}")
        return Finding("weights", NOTED, f"{told[0]} {'; '.join(told[1:])}")
    if checkpoint:  # of a lineage that only the file of Python knows
        try:
            recognise(checkpoint)
        except BadFile as error:
            return Finding("weights", UNMEASURED, str(error))

    def compared() -> Finding:
        origin = compare_origin(agent, file)
        told = f"{origin.weights} of the agent, {origin.tensors} in {file.name}"
        told += f"; unused of the file: {_few(origin.unused)}; not in it: {_few(origin.missing)}"
        if origin.same_file is False:
            told += "; it is another file than the card names (SHA-256)"
        holds = not origin.missing and origin.same_file is not False
        return Finding("weights", PASSED if holds else FAILED, told)

    return looked_at("weights", compared)


def _few(names: Any) -> str:
    listed = [str(name) for name in names]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more if listed else "none"
