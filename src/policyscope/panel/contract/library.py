"""The library: lines of recordings and results."""

from policyscope.panel.contract.messages import Estimate, Message


class RecordingLine(Message):
    """A recording in the library. ``problem`` tells why it cannot be opened, if so."""

    id: str
    path: str
    """Folder, relative to the served one."""
    agent: str = ""
    env: str = ""
    act: str = ""
    episodes: int = 0
    steps: int = 0
    finished: bool = True
    recorded: str | None = None
    """ISO time."""
    mean_return: Estimate | None = None
    outcomes: list[Estimate] = []
    methods: list[str] = []
    """Methods that can explain it."""
    explain: str = ""
    """Flags of ``policyscope explain`` that suit it; empty where no method does."""
    problem: str | None = None
    held: int | None = None
    """How many of its episodes an exported page holds; None for all, as a server does."""


class ResultLine(Message):
    """A saved result in the library."""

    id: str
    path: str
    method: str = ""
    asked: str = ""
    """Method, target, site and place in one line."""
    recording: str | None = None
    """Id of the recording it was made from, where that is in the library too."""
    recording_path: str | None = None
    """Folder of that recording, relative to the served one."""
    made: str | None = None
    """ISO time."""
    checks: int = 0
    failed: int = 0
    unchecked: str | None = None
    problem: str | None = None


class Library(Message):
    """All that the served folder holds."""

    folder: str
    version: str
    recordings: list[RecordingLine]
    results: list[ResultLine]
    methods: list[str]
    """Methods that a job can run."""
    whole: bool = True
    """False where there are more folders than are looked at, so that some may be missing."""
