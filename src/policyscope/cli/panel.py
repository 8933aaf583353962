"""``policyscope panel``: look at recordings and results in the browser."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from policyscope.cli.flags import parse
from policyscope.cli.plugins import Plugins, import_plugins
from policyscope.core.errors import BadFile, PolicyscopeError

EXAMPLES = """Show recordings and results of a folder in the browser, and change what an agent sees.

On 127.0.0.1 only this machine reaches it. Elsewhere a browser must show the token that stands in
the printed address; the connection itself is not encrypted.

examples:
  policyscope panel
  policyscope panel runs --open
  policyscope panel runs --port 0
  policyscope panel runs --host 0.0.0.0 --name lab7
  policyscope panel runs --plugin my_method
"""


@dataclass(frozen=True)
class Args:
    """Flags of ``policyscope panel``."""

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Path(".")
    """Folder that holds recordings and results, or one of them."""
    port: int = 8765
    """Port to serve on; 0 takes a free one."""
    host: str = "127.0.0.1"
    """Address to serve on."""
    name: tuple[str, ...] = ()
    """Names by which browsers reach it, where they are not the host."""
    open: bool = False
    """Open it in the browser."""
    plugin: Plugins = ()
    """Modules to import first, e.g. to register methods, tracks or overlays of your own."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope panel``."""
    args = parse(Args, argv, "panel", EXAMPLES)
    _check(args)
    from policyscope.panel.serve import address_of, is_loopback, names_of, run, take_port

    names = (*args.name, *names_of(args.host))
    with take_port(args.host, args.port) as listener:
        import_plugins(args.plugin)
        from secrets import token_urlsafe

        from policyscope.panel.application import application
        from policyscope.panel.pages import check_built

        check_built()
        token = None if is_loopback(args.host) else token_urlsafe(32)
        address = address_of(listener, names[0], token)
        app = application(args.folder, names, token)

        def ready() -> None:
            sys.stdout.write(f"panel of {args.folder}: {address}\nCtrl-C ends it\n")
            sys.stdout.flush()
            if args.open:
                import webbrowser

                webbrowser.open(address)
            found = app.state.shelf.found()
            if found.whole and not (found.recordings or found.results):
                sys.stdout.write(_nothing_in(args.folder))
                sys.stdout.flush()

        run(app, listener, ready)
    return 0


def _nothing_in(folder: Path) -> str:
    make = f"policyscope record highway-ego-attention --out {shlex.quote(str(folder / 'rec'))}"
    return f"{folder} holds no recordings and no results; this makes a recording: {make}\n"


def _check(args: Args) -> None:
    if not 0 <= args.port <= 65535:
        raise PolicyscopeError(f"--port must be 0 to 65535, got {args.port}")
    if not args.folder.exists():
        raise BadFile(args.folder, "no such folder", "check the path")
    if not args.folder.is_dir():
        raise BadFile(args.folder, "is a file", "give the folder that it lies in")
