"""The page itself and the files it is made of."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from policyscope.core.errors import PolicyscopeError, UnknownName

router = APIRouter(include_in_schema=False)
STATIC = Path(__file__).parent / "static"
UNBUILT = "the page is not built; in a checkout, run: make setup"
_TYPES = {
    "panel.js": "text/javascript",
    "panel.css": "text/css",
    "plotly.min.js": "text/javascript",
}


@router.get("/")
def get_page(request: Request) -> Response:
    """The page; everything else is asked by it."""
    path = STATIC / "index.html"
    if not path.is_file():
        return HTMLResponse(f"<!doctype html><title>policyscope</title><p>{UNBUILT}</p>", 503)
    return _file(request, path, "text/html")


@router.get("/static/{name}")
def get_file(name: str, request: Request) -> Response:
    """A file of the page, of a short list."""
    if name not in _TYPES:
        raise UnknownName("file", name[:200], _TYPES)
    path = _plotly() if name == "plotly.min.js" else STATIC / name
    if not path.is_file():
        raise PolicyscopeError(UNBUILT)
    return _file(request, path, _TYPES[name])


def check_built() -> None:
    """Raise if the page was not built.

    Raises:
        PolicyscopeError: naming the command that builds it.
    """
    if not all((STATIC / name).is_file() for name in ("index.html", "panel.js", "panel.css")):
        raise PolicyscopeError(UNBUILT)


def _plotly() -> Path:
    """plotly.js as the Python package ships it, found without importing the package."""
    spec = find_spec("plotly")
    folder = Path(spec.origin).parent if spec and spec.origin else STATIC
    return folder / "package_data" / "plotly.min.js"


def _file(request: Request, path: Path, kind: str) -> Response:
    """A file that a browser keeps as long as it is the same; always whole."""
    status = path.stat()
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}
    known = request.headers.get("if-none-match", "").split(",")
    if tag in [each.strip().removeprefix("W/") for each in known]:
        return Response(status_code=304, headers=headers)
    return Response(path.read_bytes(), media_type=kind, headers=headers)
