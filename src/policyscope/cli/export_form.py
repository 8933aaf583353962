"""The forms that a recording is exported in, and which of them flags ask for."""

from collections.abc import Sequence
from pathlib import Path

from policyscope.core.errors import UnknownName

FORMS = ("html", "parquet", "minari", "mp4", "gif")


def form_of(argv: Sequence[str]) -> str:
    """Form that the flags ask for: ``--to``, else the end of ``--out``, else html.

    Example:
        >>> form_of(["rec", "--out", "a.parquet"]), form_of(["rec", "--to=gif"])
        ('parquet', 'gif')
    """
    given: dict[str, str] = {}
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, joined, value = word.partition("=")
        if name in ("--to", "--out"):
            given[name] = value if joined else following
    if "--to" in given:
        if given["--to"] not in FORMS:
            raise UnknownName("form", given["--to"], FORMS)
        return given["--to"]
    ending = Path(given.get("--out", "")).suffix.removeprefix(".").lower()
    if ending not in ("", "htm", *FORMS):
        raise UnknownName("ending of --out", ending, FORMS)
    return ending if ending in FORMS else "html"
