"""Where something came from: versions, commit, date, command and seed."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import policyscope

PACKAGES = ("torch", "numpy")
ENVIRONMENTS = ("highway-env", "gymnasium", "procgen-mirror")
_ABSOLUTE_PATH = re.compile(r"(?<![^\s='\"(\[,])(?:~?/|[A-Za-z]:[\\/])[^\s'\"),\]]*")


def provenance(
    command: str | None = None, seed: int | None = None, packages: Iterable[str] | None = None
) -> dict[str, Any]:
    """What is needed to make something again; nothing that tells who or where.

    Args:
        command: the command line or Python line; absolute paths in it are cut to their last part.
        seed: seed of the run.
        packages: those that the environment in use is of, as its ``EnvSpec.versions`` names them;
            None where none is in sight, for all that are installed.

    Returns:
        JSON values: versions, system, commit (None outside a checkout of policyscope), UTC date,
        torch threads (None where torch is not loaded), command, seed.

    Example:
        >>> provenance("policyscope evaluate /home/me/agent", seed=3)["command"]
        'policyscope evaluate agent'
    """
    torch = sys.modules.get("torch")
    used = [name for name in ENVIRONMENTS if _version(name)] if packages is None else packages
    return {
        "policyscope": policyscope.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in (*PACKAGES, *used)},
        "commit": _own_commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": torch.get_num_threads() if torch else None,
        "command": None if command is None else without_paths(command),
        "seed": seed,
    }


def without_paths(text: str) -> str:
    """Text with every absolute path cut to its last part.

    Example:
        >>> without_paths("explain --out=/tmp/a/b s3://bucket/c runs/d")
        'explain --out=b s3://bucket/c runs/d'
    """
    return _ABSOLUTE_PATH.sub(
        lambda path: re.split(r"[\\/]", path.group().rstrip("\\/"))[-1] or ".", text
    )


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache  # what runs was read when the process began
def _own_commit() -> str | None:
    return _commit(Path(policyscope.__file__).parent)


def _commit(package: Path) -> str | None:
    """Commit of the checkout whose ``src`` holds the package, ``+changes`` if files differ."""
    root = package.parent.parent
    if package.parent.name != "src" or not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+changes" if _git(root, "status", "--porcelain", "-uno") else "")


def _git(root: Path, *words: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            timeout=5,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
