"""The index of known mistakes names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / "docs" / "known-mistakes.md"
ROW = re.compile(r"^\| (\d+(?:\.\d+)+) \| (.+) \| (.+) \|$", re.MULTILINE)
#: Mistakes of the specs that concern what is built; of the intersection all are named.
BUILT = {
    "5": range(1, 21),
    "7.4": (1, 2, 5, 7),
    "8.4": (1, 2, 3, 4, 6, 8, 10, *range(12, 20), 21),
    "7.1": (3, 4, 6, 7, 8, 14, 15),
}
TEST = re.compile(r"`([^`:]+)::([^`]+)`")


def functions(path: Path) -> set[str]:
    """Names of the functions that pytest would collect from a file's top level."""
    if not path.is_file():
        return set()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {n.name for n in body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


def faults(index: str) -> list[str]:
    """What is wrong with the table: mistakes left out, without a test, or with one that is gone."""
    rows = {number: where for number, _, where in ROW.findall(index)}
    wanted = [f"{section}.{n}" for section, numbers in BUILT.items() for n in numbers]
    found = [f"{number} is left out" for number in wanted if number not in rows]
    for number, where in rows.items():
        named = TEST.findall(where)
        if not named and not where.startswith("later part: "):
            found.append(f"{number} has no test")
        found += [
            f"{number}: {path}::{name} is gone"
            for path, name in named
            if name not in functions(ROOT / path)
        ]
    return found


def test_every_known_mistake_has_its_test_or_its_part():
    assert faults(INDEX.read_text(encoding="utf-8")) == []


def test_a_test_that_is_gone_is_noticed():
    index = INDEX.read_text(encoding="utf-8")
    renamed = index.replace("::test_heads_merged", "::test_heads_mergd")
    assert [f.split(":")[0] for f in faults(renamed)] == ["5.4"]
    moved = index.replace(
        "tests/circuits/test_traces.py::test_row_1", "tests/traces.py::test_row_1"
    )
    assert faults(moved) == ["5.15: tests/traces.py::test_row_1_traces is gone"]
    for number in ("5.7", "8.4.12", "7.1.3"):
        lines = [line for line in index.splitlines() if not line.startswith(f"| {number} ")]
        assert faults("\n".join(lines)) == [f"{number} is left out"]
    wrapped = index.replace("test_darker_pixels_are_negative", "test_darker_pixels")
    assert [f.split(":")[0] for f in faults(wrapped)] == ["7.1.4"]
    assert faults(index.replace("later part: lens", "see above")) == ["5.11 has no test"]
