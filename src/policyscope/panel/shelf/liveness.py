"""Whether a recorded agent can be asked anew and its world be restored, as far as files tell."""

from collections.abc import Callable
from importlib.util import find_spec

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.files import read_json
from policyscope.core.registry import entry, names
from policyscope.envs.procgen.engine import engine_folder
from policyscope.recordings.read import Recording

_PACKAGES = {"highway/": "highway_env", "gym:": "gymnasium", "procgen/": "gym3"}


def why_not_live(recording: Recording) -> str:
    """Why a recording cannot be asked live; empty where nothing speaks against it.

    No network is built and no world is made: either may still fail when it is.

    Args:
        recording: open.
    """
    return _why(recording, _agent) or _why(recording, _world)


def why_no_world(recording: Recording) -> str:
    """Why the world of a recording cannot be restored; empty where nothing speaks against it.

    Args:
        recording: open.
    """
    return _why(recording, _world)


def _why(recording: Recording, check: Callable[[Recording], None]) -> str:
    try:
        check(recording)
    except UnknownName as error:
        return f"this version knows no {error.kind} '{error.name}'"
    except PolicyscopeError as error:
        return str(error)
    return ""


def _agent(recording: Recording) -> None:
    folder = recording.path / "agent"
    if not (folder / "agent.json").is_file():
        raise PolicyscopeError("the recording holds no agent")
    if not (folder / "weights.safetensors").is_file():
        raise PolicyscopeError("the recorded agent has lost its weights")
    try:
        network = str(read_json(folder / "agent.json")["network"]["name"])
    except (PolicyscopeError, KeyError, TypeError):
        raise PolicyscopeError("the recorded agent's agent.json is damaged") from None
    entry("network", network)


def _world(recording: Recording) -> None:
    env = recording.env.id
    if env.startswith("procgen/"):
        engine_folder()
    package = next((p for start, p in _PACKAGES.items() if env.startswith(start)), None)
    if package and find_spec(package) is None:
        raise PolicyscopeError(f"the package {package} of '{env}' is not installed")
    if not env.startswith("gym:"):
        entry("environment", env)
    elif not _registered(env.removeprefix("gym:")):
        raise UnknownName("environment", env, names("environment"))
    if recording.episodes["seed"].isna().any():
        raise PolicyscopeError("an episode has no seed to start its world from")


def _registered(name: str) -> bool:
    import gymnasium

    try:
        gymnasium.spec(name)
    except (gymnasium.error.Error, ModuleNotFoundError):
        return False
    return True
