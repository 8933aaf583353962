"""Entry point: lists the verbs and hands over to the one that was asked for."""

import os
import sys
from importlib import import_module

from policyscope import __version__
from policyscope.core.errors import PolicyscopeError, UnknownName, system_error
from policyscope.core.plugins import import_named_plugins

VERBS = {
    "train": "train an agent (dqn, ppo)",
    "curve": "draw and tabulate training curves",
    "import": "turn a foreign checkpoint into an agent",
    "init-adapter": "write the file that makes an agent of a network of your own",
    "show": "describe an agent, a recording or a result",
    "doctor": "prove an agent: parity, memory, gradients, what no site shows",
    "evaluate": "return, outcomes and length with intervals, beside baselines",
    "watch": "write videos of an agent with its action values",
    "record": "record episodes: observations, activations, scene, consequences",
    "check": "whether a recording is whole, and what is wrong with it",
    "find": "moments of a recording that a query describes",
    "highlights": "a page of short clips of a recording's telling moments",
    "fork": "play on from a recorded step, with changes and without",
    "field": "what the agent would do at every place of a recorded scene",
    "why-not": "which single entity keeps the agent from another action",
    "explain": "explain a recording: attribution, attention, memory, neuron traces",
    "report": "one decision as a page to send: clip, attribution, counterfactual",
    "panel": "look at recordings and results in the browser",
    "export": "write a recording as a page, a table, a dataset or a clip",
}

USAGE = """\
usage: policyscope VERB ...

policyscope shows why a reinforcement-learning agent acts as it does.

{verbs}

examples:
  policyscope show highway-ego-attention
  policyscope evaluate highway-ego-attention --episodes 100
  policyscope record highway-ego-attention --episodes 20 --out runs/rec
  policyscope explain runs/rec --method attention
  policyscope panel runs
  policyscope export runs/rec --out runs/page.html

'policyscope VERB --help' tells more; 'policyscope --version' prints {version}.
"""


def usage() -> str:
    """The text of ``policyscope --help``."""
    verbs = "\n".join(f"  {verb:<14}{text}" for verb, text in VERBS.items())
    return USAGE.format(verbs=verbs, version=__version__)


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0
    if argv[0] == "--version":
        sys.stdout.write(__version__ + "\n")
        return 0
    verb, rest = argv[0], argv[1:]
    if verb not in VERBS:
        raise UnknownName("verb", verb, VERBS)
    import_named_plugins()
    name = {"import": "import_"}.get(verb, verb.replace("-", "_"))
    module = import_module(f"policyscope.cli.{name}")
    return int(module.main(rest) or 0)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; default is the process's own.

    Returns:
        Exit code: 0, 2 after an error the user can mend, 130 after Ctrl-C.
    """
    # Idle threads of torch sleep, unless they are told otherwise, instead of spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except PolicyscopeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt as stop:  # a verb that kept something says so in it
        sys.stderr.write(f"{str(stop) or 'stopped'}\n")
        return 130
    except BrokenPipeError:
        return 0
    except _file_errors() as error:
        sys.stderr.write(f"error: {system_error(error)}\n")
        return 2


def _file_errors() -> tuple[type[Exception], ...]:
    """Errors that tell of files and disks; looked up when one is raised, to start fast."""
    from safetensors import SafetensorError

    return (OSError, SafetensorError)


if __name__ == "__main__":
    sys.exit(main())
