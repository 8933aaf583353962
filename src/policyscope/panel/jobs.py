"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.schemas import Job, JobRequest


class Jobs:
    """x"""

    def all(self) -> list[Job]:
        raise NotImplementedError

    def get(self, job: str) -> Job:
        raise NotImplementedError

    def begin(self, shelf: Shelf, wanted: JobRequest) -> Job:
        raise NotImplementedError

    def cancel(self, job: str) -> Job:
        raise NotImplementedError
