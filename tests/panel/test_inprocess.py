"""Answers that are asked for without a server."""

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from policyscope.panel.inprocess import in_process
from policyscope.panel.ranges import PIECE

LONG = bytes(range(256)) * (3 * PIECE // 256 // 2)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/long")
    def long(request: Request) -> Response:
        async def pieces():
            for at in range(0, len(LONG), PIECE):
                yield LONG[at : at + PIECE]

        return StreamingResponse(pieces(), media_type="application/octet-stream")

    return app


@pytest.mark.timeout(20)
def test_an_answer_in_pieces_comes_whole_and_ends(app):
    """The wrong variant (a request that is told again and again) never gave way to the answer."""
    assert len(LONG) > PIECE
    with in_process(app) as ask:
        assert ask.body("/long") == LONG
        assert ask.body("/long") == LONG
