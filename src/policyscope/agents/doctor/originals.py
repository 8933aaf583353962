"""The original of an agent: its lineage's own library, or a function in a file of Python."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.agents.doctor.parity import Original
from policyscope.agents.importers.recognise import recognise
from policyscope.core.errors import BadFile, PolicyscopeError

FUNCTION = "original"
_PARITY_TESTS = "tests/agents/parity/test_parity_lineages.py"
#: Tests that compare an import with the lineage's formulas, of lineages without a library.
HELD_BY = {
    "cleanrl": "test_imported_agent_computes_what_its_lineage_computes",
    "procgen_pytorch": "test_imported_agent_computes_what_its_lineage_computes",
    "rl_agents": "test_imported_agent_computes_what_its_lineage_computes",
    "rl_clarity": "test_the_real_clear_network_equals_numpy",
}
#: How their lineage begins on an agent's card.
_ON_CARD = {
    "CleanRL": "cleanrl",
    "train-procgen-pytorch": "procgen_pytorch",
    "rl-agents": "rl_agents",
    "rl_clarity": "rl_clarity",
}
_DISTRIBUTIONS = {"sb3_contrib": "sb3-contrib", "stable_baselines3": "stable-baselines3"}


@dataclass(frozen=True)
class Found:
    """What there is to compare with.

    Args:
        original: the function; None where there is none.
        told: what it is, or why there is none.
    """

    original: Original | None
    told: str


def find_original(agent: Agent, path: Path | None) -> Found:
    """The original to compare an agent with.

    Args:
        agent: the agent.
        path: the checkpoint that it was imported from, or a file of Python that defines
            ``original(obs)``, with memory ``original(obs, state)``. Such a file is run.

    Raises:
        BadFile: the file cannot be read.

    Cost: imports the library.
    """
    if path is None:
        lineage = agent.card.get("lineage")
        if lineage is None:
            return Found(None, "the card names no lineage; --original FILE.py can give an original")
        known = next((n for begins, n in _ON_CARD.items() if str(lineage).startswith(begins)), None)
        if known:
            return Found(None, _held(known))
        return Found(None, f"give the file it was imported from with --original ({lineage})")
    if path.suffix == ".py":
        return Found(_function(path), f"{FUNCTION} of {path.name}")
    lineage = recognise(path)
    if lineage != "stable_baselines3":
        return Found(None, _held(lineage))
    from policyscope.agents.doctor.sb3_original import installed, sb3_original

    if package := installed(path):
        return Found(None, f"not installed: pip install {_DISTRIBUTIONS.get(package, package)}")
    return Found(sb3_original(path, agent), f"policy of Stable-Baselines3 built from {path.name}")


def _held(lineage: str) -> str:
    """Where the parity of a lineage was measured that has no library to ask."""
    return (
        f"{lineage} has no library that can be installed: its imports were held against its "
        f"forward pass, written out as functions, by {_PARITY_TESTS}::{HELD_BY[lineage]}; "
        "--original FILE.py can give an original of this agent"
    )


def _function(path: Path) -> Original:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise BadFile(path, "no such file")
    module: Any = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except PolicyscopeError:
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise BadFile(path, f"cannot be imported: {told}") from error
    function = getattr(module, FUNCTION, None)
    if not callable(function):
        raise BadFile(path, f"defines no function {FUNCTION}(obs)")
    return function
