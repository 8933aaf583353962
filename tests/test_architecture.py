"""Rules of the code. Each is a function that is also run on a planted violation."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: A folder imports only from itself and from those before it.
ORDER = ("core", "envs", "agents", "rollouts", "training", "recordings", "simulator")
ORDER += ("interventions", "attribution", "features", "circuits", "dynamics", "reports")
ORDER += ("figures", "studies", "panel", "cli")
LONGEST = 400
HOOKS = re.compile(r"register_(\w+_)?hook$")
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}
TREES = ("src", "tests", "benchmarks", "web", "examples")
BUILT = {"node_modules", "static", "dist", "__pycache__"}
#: Made from the panel's contract by `make types`.
GENERATED = Path("web/src/api/types.ts")


def python_files(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def package(root: Path) -> Path:
    return root / "src" / "policyscope"


def imported(tree: ast.Module, inside: list[str]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that a module imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(inside[: len(inside) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            yield from ((node.lineno, str(a.value)) for a in node.args if hasattr(a, "value"))


def imports_run_one_way(root: Path) -> list[str]:
    faults = []
    for path, tree in python_files(package(root)):
        if path == package(root) / "__main__.py":  # the door, above all folders
            continue
        inside = ["policyscope", *path.relative_to(package(root)).parts[:-1]]
        own = inside[1] if len(inside) > 1 else None
        if own is not None and own not in ORDER:
            faults.append(f"{path}: folder {own} has no place in the order")
            continue
        for line, name in imported(tree, inside):
            parts = name.split(".")
            if parts[0] != "policyscope" or len(parts) < 2 or parts[1] not in ORDER:
                continue
            if own is None or ORDER.index(parts[1]) > ORDER.index(own):
                faults.append(f"{path}:{line}: {own or 'the package'} imports {parts[1]}")
    return faults


def no_file_is_long(root: Path) -> list[str]:
    faults = []
    for tree in TREES:
        for path in sorted((root / tree).rglob("*")):
            if path.suffix not in (".py", ".js", ".ts", ".svelte") or BUILT & set(path.parts):
                continue
            if path == root / GENERATED:
                continue
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LONGEST:
                faults.append(f"{path}: {lines} lines")
    return faults


def only_core_hooks_sets_hooks(root: Path) -> list[str]:
    return [
        f"{path}:{node.lineno}: {node.attr}"
        for path, tree in python_files(package(root))
        if path != package(root) / "core" / "hooks.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and HOOKS.search(node.attr)
    ]


def is_constant(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def torch_names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Names under which a module knows torch, and torch.load."""
    modules, functions = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name == "torch"}
        elif isinstance(node, ast.ImportFrom) and node.module == "torch":
            functions |= {a.asname or a.name for a in node.names if a.name == "load"}
    return modules, functions


def no_pickle_is_loaded(root: Path) -> list[str]:
    """Only ``core/processes.py`` may, between a process and the workers it started itself."""
    faults = []
    for path, tree in python_files(package(root)):
        own_peers = path == package(root) / "core" / "processes.py"
        for line, name in imported(tree, []):
            if name.split(".")[0] in PICKLES and not own_peers:
                faults.append(f"{path}:{line}: imports {name}")
        modules, functions = torch_names(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            words = {k.arg: k.value for k in call.keywords}
            loads = ast.unparse(call.func) in {f"{m}.load" for m in modules} | functions
            safe = "weights_only" in words and is_constant(words["weights_only"], True)
            unsafe = "weights_only" in words and not safe
            if "allow_pickle" in words and not is_constant(words["allow_pickle"], False):
                faults.append(f"{path}:{call.lineno}: allow_pickle")
            if (loads and not safe) or unsafe:
                faults.append(f"{path}:{call.lineno}: torch.load without weights_only=True")
    return faults


def no_vague_names(root: Path) -> list[str]:
    return [
        str(path)
        for tree in TREES
        for path in sorted((root / tree).rglob("*"))
        if path.stem.lower().removeprefix("test_") in VAGUE and not BUILT & set(path.parts)
    ]


def names_of_test_files_differ(root: Path) -> list[str]:
    names = Counter(path.name for path in (root / "tests").rglob("test_*.py"))
    return [f"{name} stands {count} times" for name, count in names.items() if count > 1]


def public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public functions of a module and public methods of its public classes."""
    scopes = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_")]
    for scope in scopes:
        for node in scope.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                yield node


def overrides(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(d).split(".")[-1] for d in node.decorator_list}
    return bool(names & {"overload", "setter"})


def public_functions_have_docstrings(root: Path) -> list[str]:
    return [
        f"{path}:{node.lineno}: {node.name}"
        for path, tree in python_files(package(root))
        for node in public_functions(tree)
        if not ast.get_docstring(node) and not overrides(node)
    ]


HELP = """
import sys
from policyscope.cli.main import main
try:
    code = main(["--help"])
except SystemExit as stop:
    code = stop.code
names = ("torch", "gymnasium", "highway_env", "xarray", "plotly", "fastapi")
heavy = [m for m in names if m in sys.modules]
sys.exit(f"code {code}, imported {heavy}" if code or heavy else 0)
"""


def help_is_light(_root: Path, before: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", before + HELP], capture_output=True, text=True, check=False
    )
    return [done.stderr.strip()] if done.returncode else []


SRC = "src/policyscope/"
RULES = {
    imports_run_one_way: [
        {SRC + "core/x.py": "from policyscope.envs import spec\n"},
        {SRC + "envs/x.py": "def f():\n    import policyscope.panel.app\n"},
        {SRC + "envs/x.py": "from policyscope import agents\n"},
        {SRC + "envs/highway/x.py": "from ...agents.agent import Agent\n"},
        {SRC + "envs/x.py": "import importlib\nimportlib.import_module('policyscope.cli.main')\n"},
        {SRC + "__init__.py": "from policyscope.core import sites\n"},
        {SRC + "extra/x.py": "x = 1\n"},
    ],
    no_file_is_long: [
        {SRC + "core/x.py": "x = 1\n" * (LONGEST + 1)},
        {"tests/core/test_x.py": "x = 1\n" * (LONGEST + 1)},
        {"web/src/x.ts": "x\n" * (LONGEST + 1)},
        {"web/src/scene/X.svelte": "x\n" * (LONGEST + 1)},
        {"web/src/model/types.ts": "x\n" * (LONGEST + 1)},
    ],
    only_core_hooks_sets_hooks: [
        {SRC + "circuits/x.py": "def _f(m, g):\n    m.register_forward_hook(g)\n"},
        {SRC + "circuits/x.py": "def _f(m, g):\n    m.register_full_backward_hook(g)\n"},
        {SRC + "circuits/hooks.py": "def _f(t, g):\n    t.register_hook(g)\n"},
    ],
    no_pickle_is_loaded: [
        {SRC + "agents/x.py": "import pickle\n"},
        {SRC + "agents/processes.py": "import pickle\n"},
        {SRC + "agents/x.py": "from joblib import load\n"},
        {SRC + "agents/x.py": "import torch\nx = torch.load('f')\n"},
        {SRC + "agents/x.py": "import torch as t\nx = t.load('f', weights_only=False)\n"},
        {SRC + "agents/x.py": "from torch import load as get\nx = get('f')\n"},
        {SRC + "agents/x.py": "import numpy as np\nx = np.load('f', allow_pickle=True)\n"},
    ],
    no_vague_names: [
        {SRC + "core/utils.py": "x = 1\n"},
        {SRC + "helpers/x.py": "x = 1\n"},
        {"tests/test_misc.py": "x = 1\n"},
    ],
    names_of_test_files_differ: [
        {"tests/a/test_x.py": "x = 1\n", "tests/b/test_x.py": "x = 1\n"},
    ],
    public_functions_have_docstrings: [
        {SRC + "core/x.py": "def f():\n    return 1\n"},
        {SRC + "core/x.py": "class A:\n    '''A.'''\n\n    def f(self):\n        return 1\n"},
    ],
}
FINE = {
    SRC + "__init__.py": '"""x."""\n',
    SRC + "core/hooks.py": "def _f(m, g):\n    m.register_forward_hook(g)\n",
    SRC
    + "core/fine.py": "def f():\n    '''One.'''\n\n\nclass _A:\n    def g(self):\n        pass\n",
    SRC + "envs/fine.py": "import torch\nfrom policyscope.core import hooks\nfrom . import spec\n"
    "x = torch.load('f', weights_only=True)\n",
    "tests/core/test_fine.py": "x = 1\n" * LONGEST,
}


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in {**FINE, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule):
    assert rule(ROOT) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_lets_good_code_pass(rule, tmp_path):
    assert rule(plant(tmp_path, {})) == []


PLANTED = [(rule, files) for rule, planted in RULES.items() for files in planted]


@pytest.mark.parametrize(
    ("rule", "files"), PLANTED, ids=lambda v: getattr(v, "__name__", "planted")
)
def test_the_rule_flags_a_planted_fault(rule, files, tmp_path):
    assert len(rule(plant(tmp_path, files))) == 1


def test_help_imports_nothing_heavy():
    assert help_is_light(ROOT) == []
    assert "imported ['torch']" in help_is_light(ROOT, before="import torch\n")[0]
