"""What methods need of a site and of an agent, in the words that a list of them shows."""

from collections.abc import Callable

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.score import INPUT

#: (agent, site, shape of one activation there) -> why it cannot be asked; empty where it can.
Need = Callable[[Agent, str, tuple[int, ...]], str]


def hidden_site(agent: Agent, site: str, shape: tuple[int, ...]) -> str:
    """Something flows through the site from the observation on."""
    return "it is of a hidden site, not of the observation" if site == INPUT else ""


def places(agent: Agent, site: str, shape: tuple[int, ...]) -> str:
    """The site puts out a map."""
    return "" if len(shape) == 3 else "it needs a map of channels and places"


def channels(agent: Agent, site: str, shape: tuple[int, ...]) -> str:
    """The site puts out channels, at one place or at many."""
    return "" if len(shape) in (1, 3) else "it needs channels, alone or as a map"


def separate_actions(agent: Agent, site: str, shape: tuple[int, ...]) -> str:
    """The agent scores each of several actions."""
    return "" if agent.space.actions else "it needs separate actions; the agent's are continuous"
