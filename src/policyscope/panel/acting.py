"""Routes that do something: ask the agent, play forks, run jobs, keep notes."""

from fastapi import APIRouter, BackgroundTasks, Request, Response

from policyscope.panel import notes
from policyscope.panel.attributing import explain_step
from policyscope.panel.contract.attribution import (
    AttributionAnswer,
    AttributionQuestion,
    AttributionRequest,
    TrustLine,
)
from policyscope.panel.contract.episode import Picture
from policyscope.panel.contract.field import FieldAnswer, FieldRequest
from policyscope.panel.contract.fork import Fork, ForkRequest
from policyscope.panel.contract.live import LiveAnswer, LiveRequest
from policyscope.panel.contract.why_not import WhyNotAnswer, WhyNotRequest
from policyscope.panel.contract.work import Job, JobRequest, Note, NoteText
from policyscope.panel.field import field
from policyscope.panel.forks.forks import Forks
from policyscope.panel.jobs.jobs import Jobs
from policyscope.panel.live import ask, prepare
from policyscope.panel.ranges import byte_range
from policyscope.panel.reading import Episode, shelf_of
from policyscope.panel.why_not import why_not
from policyscope.recordings.replays.worlds import Worlds

router = APIRouter(prefix="/api", tags=["acting"])


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs


def _worlds(request: Request) -> Worlds:
    return request.app.state.worlds


def _forks(request: Request) -> Forks:
    return request.app.state.forks


@router.post("/live")
def post_live(question: LiveRequest, request: Request, later: BackgroundTasks) -> LiveAnswer:
    """What the agent would do at a step if the scene or the observation were changed."""
    asked = shelf_of(request), _worlds(request), question
    answer = ask(*asked)
    if not (question.scene or question.actions):
        later.add_task(prepare, *asked)
    return answer


@router.post("/field")
def post_field(wanted: FieldRequest, request: Request) -> FieldAnswer:
    """What the agent would do at every place of a step's scene."""
    return field(shelf_of(request), _worlds(request), wanted)


@router.post("/why-not")
def post_why_not(wanted: WhyNotRequest, request: Request) -> WhyNotAnswer:
    """Which change of a single entity makes the agent prefer an action."""
    return why_not(shelf_of(request), _worlds(request), wanted)


@router.post("/attribution")
def post_attribution(wanted: AttributionRequest, request: Request) -> AttributionAnswer:
    """What a target of one decision is owed to."""
    return explain_step(shelf_of(request), _worlds(request), wanted)


@router.post("/attribution/trust")
def post_trust(wanted: AttributionQuestion, request: Request) -> TrustLine:
    """How far explanations hold over an episode, as far as it is measured; ask on for the rest."""
    return request.app.state.trusts.answer(shelf_of(request), wanted)


@router.post("/forks")
def post_fork(wanted: ForkRequest, request: Request) -> Fork:
    """Play on from a step with changes and without; the same request is the same fork."""
    return _forks(request).begin(shelf_of(request), wanted)


@router.get("/forks/{fork}")
def get_fork(fork: str, request: Request) -> Fork:
    """How far a fork is, and what it found."""
    return _forks(request).get(fork)


@router.delete("/forks/{fork}")
def delete_fork(fork: str, request: Request) -> Fork:
    """Stop a fork and forget it."""
    return _forks(request).stop(fork)


@router.get("/forks/{fork}/{side}/arrays", response_class=Response)
def get_fork_arrays(fork: str, side: str, request: Request) -> Response:
    """Bytes of the arrays of one side of a fork; takes a ``Range``."""
    size, read = _forks(request).open_bytes(fork, side)
    return byte_range(request, size, read)


@router.get("/forks/{fork}/{side}/pictures/{step}")
def get_fork_picture(fork: str, side: str, step: Episode, request: Request) -> Picture:
    """The scene before a step of one side of a fork, as large as the engine draws it."""
    return _forks(request).picture(shelf_of(request), fork, side, step)


@router.get("/jobs")
def get_jobs(request: Request) -> list[Job]:
    """All jobs since the server began, the newest first."""
    return _jobs(request).all()


@router.post("/jobs", status_code=201)
def post_job(wanted: JobRequest, request: Request) -> Job:
    """Begin a job."""
    return _jobs(request).begin(shelf_of(request), wanted)


@router.get("/jobs/{job}")
def get_job(job: str, request: Request) -> Job:
    """How far a job is."""
    return _jobs(request).get(job)


@router.delete("/jobs/{job}")
def delete_job(job: str, request: Request) -> Job:
    """Cancel a job; one that has ended stays as it is."""
    return _jobs(request).cancel(job)


@router.get("/recordings/{rec}/notes")
def get_notes(rec: str, request: Request) -> list[Note]:
    """Notes on a recording, its episodes and steps, in the order they were written."""
    return notes.all_notes(shelf_of(request), rec)


@router.post("/recordings/{rec}/notes", status_code=201)
def post_note(rec: str, note: NoteText, request: Request) -> Note:
    """Write a note."""
    return notes.add(shelf_of(request), rec, note)


@router.put("/recordings/{rec}/notes/{note}")
def put_note(rec: str, note: str, text: NoteText, request: Request) -> Note:
    """Change a note."""
    return notes.change(shelf_of(request), rec, note, text)


@router.delete("/recordings/{rec}/notes/{note}")
def delete_note(rec: str, note: str, request: Request) -> Note:
    """Remove a note; the answer is what was removed."""
    return notes.remove(shelf_of(request), rec, note)
