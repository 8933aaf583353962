"""The original of an agent: its lineage's own library, or a function in a file of Python."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.agents.doctor.parity import Original
from policyscope.agents.importers.recognise import recognise
from policyscope.core.errors import BadFile, PolicyscopeError

FUNCTION, MAKER = "original", "original_of"
#: Files of the repository with the formulas of lineages that have no library.
FORMULAS = {
    lineage: f"tests/agents/parity/original_{lineage}.py"
    for lineage in ("cleanrl", "procgen_pytorch", "rl_agents", "rl_clarity")
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


def find_original(agent: Agent, path: Path | None, checkpoint: Path | None = None) -> Found:
    """The original to compare an agent with.

    Args:
        agent: the agent.
        path: the checkpoint that it was imported from, or a file of Python that defines
            ``original(obs)``, with memory ``original(obs, state)``. Such a file is run.
        checkpoint: what a file of Python reads, whose ``original_of(checkpoint)`` then gives that
            function.

    Raises:
        BadFile: a file cannot be read.
        PolicyscopeError: a checkpoint without a file of Python that reads it.

    Cost: imports the library.
    """
    if checkpoint and (path is None or path.suffix != ".py"):
        told = "--checkpoint is read by a file of Python: name it with --original FILE.py"
        raise PolicyscopeError(told)
    if path is None:
        lineage = agent.card.get("lineage")
        if lineage is None:
            return Found(None, "the card names no lineage; --original FILE.py can give an original")
        known = next((n for begins, n in _ON_CARD.items() if str(lineage).startswith(begins)), None)
        if known:
            return Found(None, _formulas(known, "FILE"))
        return Found(None, f"give the file it was imported from with --original ({lineage})")
    if path.suffix == ".py":
        told = f"{FUNCTION} of {path.name}"
        if checkpoint is None:
            return Found(_function(path), told)
        return Found(_made(path, checkpoint), f"{told} with the weights of {checkpoint.name}")
    lineage = recognise(path)
    if lineage != "stable_baselines3":
        return Found(None, _formulas(lineage, path.name))
    from policyscope.agents.doctor.sb3_original import installed, sb3_original

    if package := installed(path):
        return Found(None, f"not installed: pip install {_DISTRIBUTIONS.get(package, package)}")
    return Found(sb3_original(path, agent), f"policy of Stable-Baselines3 built from {path.name}")


def _formulas(lineage: str, checkpoint: str) -> str:
    """How the parity of a lineage is measured that has no library to ask."""
    return (
        f"{lineage} has no library that can be installed; a file of the repository has its "
        f"formulas: --original {FORMULAS[lineage]} --checkpoint {checkpoint}"
    )


def _function(path: Path) -> Original:
    module = _run(path)
    function: Any = getattr(module, FUNCTION, None)
    if not callable(function):
        if callable(getattr(module, MAKER, None)):
            raise BadFile(path, f"its {MAKER} reads a checkpoint", "give one with --checkpoint")
        raise BadFile(path, f"defines no function {FUNCTION}(obs)")
    return function


def _made(path: Path, checkpoint: Path) -> Original:
    maker: Any = getattr(_run(path), MAKER, None)
    if not callable(maker):
        raise BadFile(path, f"defines no function {MAKER}(checkpoint)")
    if not checkpoint.is_file():
        raise BadFile(checkpoint, "no such file")
    try:
        return maker(checkpoint)
    except PolicyscopeError:
        raise
    except Exception as error:
        raise BadFile(checkpoint, f"{path.name} cannot read it: {_told(error)}") from error


def _run(path: Path) -> Any:
    """The module that a file of Python makes."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise BadFile(path, "no such file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except PolicyscopeError:
        raise
    except Exception as error:
        raise BadFile(path, f"cannot be imported: {_told(error)}") from error
    return module


def _told(error: Exception) -> str:
    told = " ".join(str(error).split())[:200]
    return f"no {told}" if isinstance(error, KeyError) else told or type(error).__name__
