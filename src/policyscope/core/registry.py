"""One registry of names: what can be made, loaded, run or drawn.

Entries are ``module:attribute`` strings, so listing names imports nothing heavy.
"""

from importlib import import_module
from typing import Any

from policyscope.core.errors import PolicyscopeError, UnknownName

_PROCGEN = (
    "bigfish", "bossfight", "caveflyer", "chaser", "climber", "coinrun", "dodgeball", "fruitbot",
    "heist", "jumper", "leaper", "maze", "miner", "ninja", "plunder", "starpilot",
)  # fmt: skip

_ENTRIES: dict[str, dict[str, str]] = {
    "environment": {
        "highway/intersection": "policyscope.envs.highway.lane:make_lane",
        **{f"procgen/{game}": "policyscope.envs.procgen.lane:make_lane" for game in _PROCGEN},
    },
    "batched environment": {
        f"procgen/{game}": "policyscope.envs.procgen.stepper:make_stepper" for game in _PROCGEN
    },
    "network": {
        "actor_critic": "policyscope.agents.networks.actor_critic:ActorCriticNetwork",
        "actor_critic_lstm": "policyscope.agents.networks.actor_critic_lstm:ActorCriticLSTM",
        "ego_attention": "policyscope.agents.networks.ego_attention:EgoAttentionNetwork",
        "clear_cnn": "policyscope.agents.networks.clear_cnn:ClearNetwork",
        "impala": "policyscope.agents.networks.impala:ImpalaNetwork",
        "impala_gru": "policyscope.agents.networks.impala_gru:ImpalaGRUNetwork",
        "mlp": "policyscope.agents.networks.mlp:MLPNetwork",
        "nature_actor_critic": "policyscope.agents.networks.nature:NatureActorCritic",
        "nature_actor_critic_lstm": "policyscope.agents.networks.nature_lstm:NatureActorCriticLSTM",
        "nature_q": "policyscope.agents.networks.nature:NatureQ",
    },
    "preprocess": {
        "flat": "policyscope.agents.preprocess:Flat",
        "normalise": "policyscope.agents.preprocess:Normalise",
        "pixels": "policyscope.agents.preprocess:Pixels",
    },
    "importer": {
        "cleanrl": "policyscope.agents.importers.cleanrl:import_checkpoint",
        "procgen_pytorch": "policyscope.agents.importers.procgen_pytorch:import_checkpoint",
        "rl_agents": "policyscope.agents.importers.rl_agents:import_checkpoint",
        "rl_clarity": "policyscope.agents.importers.rl_clarity:import_checkpoint",
        "stable_baselines3": "policyscope.agents.importers.sb3:import_checkpoint",
    },
    "recording importer": {
        "generative": "policyscope.recordings.importers.generative:read_folder",
        "imitation": "policyscope.recordings.importers.imitation:read_rollouts",
        "minari": "policyscope.recordings.importers.minari:read_dataset",
        "rl_clarity_rollouts": "policyscope.recordings.importers.clarity:read_rollouts",
    },
    "method": {
        "attention": "policyscope.circuits.attention:explain",
        "attribution": "policyscope.attribution.explain:attribute",
        "memory": "policyscope.circuits.memory:memory_use",
        "through_time": "policyscope.attribution.through_time:through_time",
        "traces": "policyscope.circuits.traces:traces",
    },
    "figure": {
        "attention": "policyscope.figures.attention:draw",
        "attribution": "policyscope.figures.attribution:draw",
        "attribution_audit": "policyscope.figures.attribution_audit:draw",
        "field": "policyscope.figures.field:draw",
        "fork": "policyscope.figures.fork:draw",
        "memory": "policyscope.figures.memory:draw",
        "through_time": "policyscope.figures.through_time:draw",
        "traces": "policyscope.figures.traces:draw",
        "why_not": "policyscope.figures.why_not:draw",
    },
    "track": {},
    "overlay": {},
    "notebook view": {
        "agent": "policyscope.agents.show:agent_html",
        "recording": "policyscope.recordings.show:recording_html",
    },
}


def register(kind: str, name: str, entry: str) -> None:
    """Add an entry.

    Args:
        kind: what the entry is: environment, network, preprocess, importer, method, figure, track
            (gives numbers per step) or overlay (gives maps per step).
        name: the name users give.
        entry: ``module:attribute``, imported when it is first asked for.

    Raises:
        PolicyscopeError: the name is taken by another entry.
    """
    entries = _ENTRIES.setdefault(kind, {})
    if entries.get(name, entry) != entry:
        raise PolicyscopeError(f"{kind} '{name}' is already registered as {entries[name]}")
    entries[name] = entry


def names(kind: str) -> list[str]:
    """Names registered under a kind, sorted.

    Example:
        >>> "ego_attention" in names("network")
        True
    """
    return sorted(_ENTRIES.get(kind, {}))


def entry(kind: str, name: str) -> str:
    """The ``module:attribute`` that a name stands for, not imported.

    Raises:
        UnknownName: nothing of that name, with the nearest names.
    """
    try:
        return _ENTRIES[kind][name]
    except KeyError:
        raise UnknownName(kind, name, names(kind)) from None


def find(kind: str, name: str) -> Any:
    """Import and return what a name stands for.

    Raises:
        UnknownName: nothing of that name, with the nearest names.
    """
    module, attribute = entry(kind, name).split(":")
    return getattr(import_module(module), attribute)
