"""Answers to requests for a range of bytes (RFC 9110, section 14)."""

import re
from collections.abc import Callable, Iterator

from fastapi import Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from policyscope.panel.contract.messages import Problem

Read = Callable[[int, int], bytes]

PIECE = 2**22
_KIND = "application/octet-stream"
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """A range that the bytes do not have, or that is no single range of bytes."""


def byte_range(request: Request, size: int, read: Read) -> Response:
    """The bytes that a request asks for: all of them, or one range.

    Args:
        request: its header ``Range`` is read.
        size: bytes there are.
        read: gives the bytes from the first argument up to the second.

    Returns:
        200 with all bytes, 206 with ``Content-Range``, or 416 for several ranges, for what is no
        range, and for one that begins behind the end.

    Cost: answers above 4 MiB are read and sent piece by piece.
    """
    header = request.headers.get("range")
    try:
        start, stop = (0, size) if header is None else wanted(header, size)
    except Unsatisfiable as fault:
        problem = Problem(code="bad_range", message=str(fault))
        headers = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
        return JSONResponse(problem.model_dump(), 416, headers)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(stop - start)}
    if header is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 200 if header is None else 206
    if stop - start <= PIECE:
        return Response(read(start, stop), status, headers, _KIND)
    first = read(start, start + PIECE)  # here a file that is torn can still be answered with 409
    return StreamingResponse(_pieces(first, start, stop, read), status, headers, _KIND)


def wanted(header: str, size: int) -> tuple[int, int]:
    """First byte of a range and the one behind its last.

    Args:
        header: value of ``Range``.
        size: bytes there are.

    Raises:
        Unsatisfiable: no such range.

    Example:
        >>> wanted("bytes=2-5", 10), wanted("bytes=7-", 10), wanted("bytes=-3", 10)
        ((2, 6), (7, 10), (7, 10))
    """
    match = _RANGE.fullmatch(header.strip())
    first, last = match.groups() if match else ("", "")
    if not first and not last:
        raise Unsatisfiable("the header Range takes one range such as bytes=0-99, or none")
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    if start >= stop or (first and last and int(last) < int(first)):
        raise Unsatisfiable(f"there are {size} bytes; no such range in them")
    return start, stop


def _pieces(first: bytes, start: int, stop: int, read: Read) -> Iterator[bytes]:
    yield first
    for at in range(start + PIECE, stop, PIECE):
        yield read(at, min(stop, at + PIECE))
