"""The contract of agents (``agents/contract.py``) as findings, check by check."""

from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.contract import CHECKS, ContractBroken
from policyscope.agents.doctor.findings import FAILED, PASSED, UNMEASURED, Finding

_STEPS, _BATCH = 8, 4

#: What a check is called here, and what it has shown where it holds.
TITLES = {
    "repeats": ("determinism", "the same arguments give the same bytes, and stay as given"),
    "starts_fresh": ("fresh memory", "memory before an episode is always the same"),
    "unrolls": ("act = unroll", "unrolling equals the loop of decisions to 1e-6"),
    "resets": ("memory reset", "nothing before an episode's first row reaches into it"),
    "differentiates": ("gradient of unroll", "by the weights it is that of the loop, to 1e-4"),
    "stands_alone": ("batch independence", "a row is decided as it would be alone, to 1e-4"),
    "comes_back": ("save and load", "equal bytes of every output and equal names after loading"),
    "fires_once": ("sites", "every listed site fires once, with the listed shape"),
}
_OF_MEMORY = ("starts_fresh", "resets")


def contract_finding(agent: Agent, obs: Tensor, check: str) -> Finding:
    """Run one check of the contract.

    Args:
        agent: in evaluation mode.
        obs: (T, B, ...) observations, of which the first 8 x 4 are taken.
        check: its name in ``contract.CHECKS``.
    """
    title, told = TITLES[check]
    if check in _OF_MEMORY and not agent.recurrent:
        return Finding(title, UNMEASURED, "the agent has no memory")
    few = obs[:_STEPS, :_BATCH]
    size = f"n = {few.shape[0]} x {few.shape[1]} observations"
    try:
        CHECKS[check](agent, few)
    except ContractBroken as broken:
        return Finding(title, FAILED, f"{broken}; {size}")
    return Finding(title, PASSED, f"{told}; {size}")
