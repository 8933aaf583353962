"""What a recording does not hold."""

from pathlib import Path

from policyscope.core.errors import PolicyscopeError, UnknownName


class UnknownEpisode(UnknownName):
    """A number that stands for no episode of a recording."""

    def __init__(self, message: str):
        PolicyscopeError.__init__(self, message)


class NoAgent(UnknownName):
    """A recording of episodes of another program, of whose agent nothing is known."""

    def __init__(self, path: Path):
        super().__init__("agent", path.name, ())
        told = "the recording holds no agent: its episodes were imported, their policy is unknown"
        self.args = (f"{path}: {told} (import its checkpoint and record it: policyscope record)",)
