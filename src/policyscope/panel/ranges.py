"""Answers to requests for a range of bytes (RFC 9110, section 14)."""

from collections.abc import Callable

from fastapi import Request, Response

Read = Callable[[int, int], bytes]


def byte_range(request: Request, size: int, read: Read) -> Response:
    """The bytes that a request asks for: all of them, or one range.

    Args:
        request: its header ``Range`` is read.
        size: bytes there are.
        read: gives the bytes from the first argument up to the second.
    """
    raise NotImplementedError
