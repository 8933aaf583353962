"""Agents on disk.

A folder with ``agent.json``, ``weights.safetensors`` and, where known, ``initial.safetensors`` and
``checkpoints/step_*.safetensors``.
"""

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.heads import ACTING, HEADS
from policyscope.agents.preprocess import build_preprocess, preprocess_to_json
from policyscope.core.errors import BadFile, NoSuchFolder, UnknownName
from policyscope.core.files import atomic_file, read_json, write_json
from policyscope.core.plugins import import_named_plugins
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

SCHEMA = 1


def shipped_agents() -> dict[str, Path]:
    """Folders of the agents that come with policyscope, by name."""
    root = Path(str(files("policyscope"))) / "shipped"
    return {p.parent.name: p.parent for p in sorted(root.glob("*/agent.json"))}


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write weights beside, then rename, so that a killed process leaves no torn file."""
    data = save({k: v.detach().cpu().contiguous() for k, v in weights.items()})
    with atomic_file(path) as beside:  # safetensors' own leaves files of any name behind a kill
        beside.write_bytes(data)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        BadFile: it is missing, truncated or no safetensors file.
    """
    if not path.is_file():
        raise BadFile(path, "no such weights file")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadFile(path, f"corrupted or truncated weights: {error}") from None


def save_agent(agent: Agent, folder: str | Path) -> None:
    """Write an agent's folder; checkpoints already in it stay.

    Raises:
        PolicyscopeError: the agent has a preprocessing module that is not registered.
    """
    preprocess, folder = preprocess_to_json(agent.preprocess), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / "weights.safetensors", agent.net.state_dict())
    if agent.initial is not None:
        save_weights(folder / "initial.safetensors", agent.initial)
    name, arguments = agent.network
    values = {
        "schema": SCHEMA,
        "network": {"name": name, "arguments": arguments},
        "head": agent.head,
        "acting": agent.acting,
        "preprocess": preprocess,
        "space": asdict(agent.space),
        "env": agent.env and agent.env.to_json(),
        "card": agent.card,
    }
    write_json(folder / "agent.json", values)


def add_to_card(name: str | Path, entry: str, values: Any) -> None:
    """Write one entry of an agent's card, in place of the one of that name."""
    path = find_agent(name) / "agent.json"
    agent = read_json(path)
    agent["card"][entry] = values
    write_json(path, agent)


def find_agent(name: str | Path) -> Path:
    """Folder of an agent given by a path or by the name of a shipped one.

    Raises:
        NoSuchFolder: what is written as a path leads nowhere.
        UnknownName: neither a folder with an ``agent.json`` nor a shipped agent.
        BadFile: a folder without an agent.
    """
    folder = Path(name)
    if folder.name == "agent.json":
        folder = folder.parent
    if (folder / "agent.json").is_file():
        return folder
    if (folder / "agent" / "agent.json").is_file():
        return folder / "agent"
    shipped = shipped_agents()
    if str(name) in shipped:
        return shipped[str(name)]
    if folder.exists():
        cause = "holds no agent.json"
        if (folder / "recording.json").is_file():
            cause += ": it is a recording whose episodes were imported without their agent"
        raise BadFile(folder, cause, "give an agent's folder")
    if "/" in str(name) or str(name).startswith("."):
        raise NoSuchFolder("agent", str(name), shipped)
    raise UnknownName("agent", str(name), shipped)


def load_agent(name: str | Path, weights: str | None = None) -> Agent:
    """Load an agent, after the modules that ``POLICYSCOPE_PLUGINS`` names.

    Args:
        name: folder of an agent, of a training run, or the name of a shipped agent.
        weights: another weights file of the same folder without its ending, e.g. ``initial`` or
            ``checkpoints/step_0050000``.

    Raises:
        UnknownName: no such agent, or no such weights in its folder.
        BadFile: a file of it cannot be read or does not fit.

    Example:
        >>> load_agent("highway-ego-attention").space.actions
        ('SLOWER', 'IDLE', 'FASTER')
    """
    folder = find_agent(name)
    import_named_plugins()
    values = _read(folder / "agent.json")
    net = build_network(*values["network"])
    known = ["weights", "initial", *checkpoints(folder)]
    path = folder / f"{weights or 'weights'}.safetensors"
    if weights and not path.is_file():
        raise UnknownName("weights", weights, known)
    _fill(net, load_weights(path), path)
    net.eval()
    initial = folder / "initial.safetensors"
    return Agent(net, **values, initial=load_weights(initial) if initial.is_file() else None)


def _read(path: Path) -> dict[str, Any]:
    """Fields of an ``Agent`` from its JSON file."""
    values = read_json(path)
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise BadFile(path, f"agent schema {schema}, this reads {SCHEMA}")
    try:
        tuples: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values["space"].items()
        }
        fields: dict[str, Any] = {
            "network": (values["network"]["name"], dict(values["network"]["arguments"])),
            "head": values["head"],
            "space": Space(**tuples),
            "acting": values["acting"],
            "preprocess": build_preprocess(values.get("preprocess")),
            "env": EnvSpec.from_json(values["env"]) if values["env"] else None,
            "card": dict(values["card"]),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadFile(path, f"not a valid agent: {error!r}") from None
    for key, valid in (("head", HEADS), ("acting", ACTING)):
        if fields[key] not in valid:
            raise BadFile(path, f"{key} '{fields[key]}' is none of {', '.join(valid)}")
    return fields


def _fill(net: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()
        raise BadFile(path, "weights of another network: " + " ".join(first[1:3]).strip()) from None


def checkpoints(name: str | Path) -> list[str]:
    """Names of an agent's checkpoints for ``load_agent(..., weights=...)``, oldest first."""
    folder = find_agent(name)
    return [f"checkpoints/{p.stem}" for p in sorted((folder / "checkpoints").glob("*.safetensors"))]
