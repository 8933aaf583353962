"""What the panel's server and its page say to each other; the page's types are made from these.

Everything of row t is the state that decided: scene, observation, outputs and activations before
the step, the action chosen from them, and then the reward it brought. ``docs/panel.md`` tells how
the resources hang together.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = float | None


class Message(BaseModel):
    """A part of the contract; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Problem(Message):
    """What an answer with status 400 or above holds: what is wrong, never a traceback."""

    code: str
    """Stable word for programs: unknown_name, bad_request, bad_range, bad_file, forbidden, ..."""
    message: str
    """One line that names the cause and the mend."""


# ---------------------------------------------------------------- library


class Estimate(Message):
    """A number with its 95% interval.

    The ends are null where one sample tells no spread, and where the library did not wait for them.
    """

    name: str
    value: float
    low: Number
    high: Number
    n: int


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
    problem: str | None = None


class ResultLine(Message):
    """A saved result in the library."""

    id: str
    path: str
    method: str = ""
    recording: str | None = None
    """Id of the recording it was made from, where that is in the library too."""
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


# ---------------------------------------------------------------- a recording


class TrackInfo(Message):
    """A number per step that every episode of a recording has.

    ``group`` names tracks that share an axis (all Q-values); ``shown`` whether the page shows it
    from the start.
    """

    name: str
    unit: str
    group: str
    kind: Literal["line", "event"] = "line"
    shown: bool = False
    source: str = ""
    """Where it comes from: the recording, a target, or a result's id."""


class OverlayInfo(Message):
    """A map per step over the entities, the frame or the scene."""

    name: str
    over: Literal["entities", "frame", "scene"]
    layers: list[str]
    """Names of its L layers, e.g. attention heads."""
    unit: str
    signed: bool = False
    """Whether zero is the middle of the colours."""
    live: bool = False
    """Whether a live computation gives it too."""
    shown: bool = False


class RecordingDetail(RecordingLine):
    """A recording with everything that holds for all its episodes."""

    actions: list[str]
    """Names of discrete actions; empty where they are continuous."""
    rows: list[str]
    features: list[str]
    obs_shape: list[int]
    obs_dtype: str
    frames: bool
    """Whether the observation is an image, (height, width, 3) uint8."""
    sites: dict[str, list[int]]
    outputs: dict[str, list[int]]
    deciding: str | None
    """The output with one number an action, e.g. q."""
    scene: dict[str, Any] | None
    """Roads as the lane gave them: lanes, edges, bounds, destination."""
    tracks: list[TrackInfo]
    overlays: list[OverlayInfo]
    live: bool
    """Whether the agent can be asked anew and its world be restored."""
    live_why: str = ""
    """Why not, where it cannot."""
    python: str
    command: str
    provenance: dict[str, Any]


class EpisodeTable(Message):
    """All episodes, column by column."""

    episode: list[int]
    seed: list[int | None]
    outcome: list[str]
    total: list[float]
    """Undiscounted return."""
    steps: list[int]


class Thumbnail(Message):
    """A small picture of an episode: the ego's path, or its last frame as a PNG data address."""

    path: list[tuple[float, float]] | None = None
    bounds: tuple[float, float, float, float] | None = None
    """x low, y low, x high, y high in metres; the same for all episodes of a recording."""
    image: str | None = None


# ---------------------------------------------------------------- an episode


class ArrayRef(Message):
    """Where the numbers of an array lie: little-endian, C order, ``bytes`` from ``offset`` on.

    A client asks for ``url`` with a ``Range``; rows i to j are the bytes
    ``offset + i * bytes / shape[0]`` and so on.
    """

    name: str
    url: str
    dtype: Literal["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32",
                   "float64"]  # fmt: skip
    shape: list[int]
    offset: int
    bytes: int


class EpisodeDetail(Message):
    """One episode of T steps: its numbers, and where its arrays lie.

    Arrays have T as their first axis: obs, action, policy_action, reward, outputs/NAME,
    sites/NAME, row_identity, ...; those of E rows are called entities/COLUMN (step, identity,
    kind as a code, row, x, y, heading, speed, length, width), ordered by step.
    """

    recording: str
    episode: int
    seed: int | None
    outcome: str
    total: float
    steps: int
    kinds: list[str]
    """Names that the codes of entities/kind stand for."""
    arrays: list[ArrayRef]
    bytes: int
    """Size of the file of all arrays."""
    python: str


class TrackValues(Message):
    """One track of one episode; null where there is no value."""

    name: str
    unit: str
    group: str
    kind: Literal["line", "event"]
    values: list[Number]
    python: str


class OverlayValues(Message):
    """One overlay of one episode.

    ``values`` is (T, L, E) over entities, with ``identity`` (T, E) saying whom each column shows
    (-1 nobody); (T, L, height, width) over the frame, stretched to its size; (T, L, height, width)
    over the scene, stretched over ``extent``.
    """

    info: OverlayInfo
    values: ArrayRef
    identity: ArrayRef | None = None
    extent: tuple[float, float, float, float] | None = None
    """x low, y low, x high, y high in metres."""
    low: float
    high: float
    """One scale for all episodes of the recording where it is known, else for this one."""
    python: str


class StepTable(Message):
    """Two tracks over all steps of a recording, for the map of steps; float32 and int32 arrays."""

    steps: int
    arrays: list[ArrayRef]
    """x, y, episode, step, action."""


# ---------------------------------------------------------------- results


class CheckLine(Message):
    """A check of a result: ``value sense bound``, resting on n samples."""

    name: str
    value: Number
    sense: str
    bound: Number
    n: int
    passed: bool


class ResultDetail(ResultLine):
    """A result with its parameters, checks and the line that makes it."""

    parameters: dict[str, Any]
    provenance: dict[str, Any]
    check_lines: list[CheckLine]
    variables: dict[str, list[str]]
    """Dimensions of each of its arrays, e.g. {"q": ["step (13)", "action (3)"]}."""
    python: str | None
    figure: bool
    """Whether a figure is registered for its method."""


# ---------------------------------------------------------------- live


class SceneChange(Message):
    """A ``SceneEdit`` as JSON."""

    kind: str
    identity: int | None = None
    values: dict[str, float] = {}


class ObservationChange(Message):
    """One number of the observation set to another, after the scene was changed."""

    index: list[int] = Field(max_length=8)
    value: float


class LiveRequest(Message):
    """What would the agent do at this step, if ...? Nothing is kept from one request to the next.

    Restores the recorded step, changes the scene in order, then the observation, and asks once.
    """

    recording: str
    episode: int = Field(ge=0)
    step: int = Field(ge=0)
    scene: list[SceneChange] = Field(default=[], max_length=64)
    observation: list[ObservationChange] = Field(default=[], max_length=256)
    targets: list[str] = Field(default=[], max_length=16)


class LiveEntity(Message):
    """One entity of the changed scene."""

    identity: int
    kind: str
    row: int
    x: float
    y: float
    heading: float
    speed: float
    length: float
    width: float


class LiveOverlay(Message):
    """An overlay over entities at the changed step: weights (L, E) on ``identity`` (E)."""

    name: str
    values: list[list[float]]
    identity: list[int]


class LiveTarget(Message):
    """A target (``taken``: the recorded action) before and after; null where it looks ahead."""

    target: str
    recorded: Number
    value: Number


class LiveAnswer(Message):
    """What the agent does at the changed step, and the recorded twin."""

    action: list[float]
    """The most likely action, never drawn; one number for a discrete one: its index."""
    recorded_action: list[float]
    """The executed one."""
    outputs: dict[str, list[float]]
    recorded_outputs: dict[str, list[float]]
    observation: list[Any]
    """Nested numbers in the shape of the observation; empty for images."""
    recorded_observation: list[Any]
    entities: list[LiveEntity]
    overlays: list[LiveOverlay]
    targets: list[LiveTarget]
    python: str
    """Lines that do the same in Python."""
    milliseconds: float


# ---------------------------------------------------------------- jobs and notes


class JobRequest(Message):
    """Run a method on a recording; its result appears in the library."""

    recording: str
    method: str
    options: dict[str, str | int | float | bool] = Field(default={}, max_length=16)


class Job(Message):
    """Work that goes on while nobody looks."""

    id: str
    recording: str
    method: str
    command: str
    state: Literal["running", "done", "failed", "cancelled"]
    done: int
    total: int | None
    """How much there is to do, where that is known."""
    began: str
    ended: str | None
    result: str | None
    """Id of its result."""
    message: str
    """Last line it said."""


class NoteText(Message):
    """What someone writes on a recording, an episode, or a step of one."""

    episode: int | None = Field(default=None, ge=0)
    step: int | None = Field(default=None, ge=0)
    text: str = Field(min_length=1, max_length=10_000)


class Note(NoteText):
    """A note as it is saved beside the recording."""

    id: str
    written: str
    """ISO time of the last change."""
