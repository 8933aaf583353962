"""The panel's server: what the routes share, and how errors are answered."""

from pathlib import Path

from fastapi import FastAPI

from policyscope import __version__
from policyscope.panel import acting, pages, reading
from policyscope.panel.failures import answer_failures
from policyscope.panel.forks.forks import Forks
from policyscope.panel.guard import Guard
from policyscope.panel.jobs.jobs import Jobs
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.trusted import Trusts
from policyscope.panel.views.moments import Searches
from policyscope.recordings.replays.worlds import Worlds


def application(folder: Path, hosts: tuple[str, ...] = (), token: str | None = None) -> FastAPI:
    """The panel of a folder as an ASGI application.

    Args:
        folder: what it shows; nothing outside is read.
        hosts: names it may be asked by beside 127.0.0.1, localhost and [::1].
        token: what a browser must show; None for loopback.
    """
    app = FastAPI(
        title="policyscope panel",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.shelf = Shelf(folder)
    app.state.worlds = Worlds()
    app.state.searches = Searches()
    app.state.forks = Forks()
    app.state.trusts = Trusts()
    app.state.jobs = Jobs()
    for part in (reading, acting, pages):
        app.include_router(part.router)
    answer_failures(app)
    app.add_middleware(Guard, hosts=hosts, token=token)
    return app
