"""Run every benchmark beside this file and write their figures to RESULTS.md.

    python benchmarks/run_all.py [NAME ...] [--out FILE]

A script that fails has its error in the table; the exit code is then 1.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from measure import met

HERE = Path(__file__).resolve().parent
SHARED = {"long_recording", "measure", "panel_browser", "ppo_peers", "ppo_sides", "run_all"}
KEYS = ("name", "ours", "peer", "ratio", "goal", "better", "unit", "n")
PACKAGES = (
    "policyscope", "torch", "numpy", "gymnasium", "highway-env", "zarr", "nnsight",
    "stable-baselines3", "sb3-contrib", "captum", "shap",
)  # fmt: skip
HEADINGS = ("figure", "ours", "peer", "ratio", "goal", "met", "unit", "n")


def scripts(folder: Path) -> dict[str, Path]:
    """Benchmark scripts of a folder by name."""
    return {p.stem: p for p in sorted(folder.glob("*.py")) if p.stem not in SHARED}


def run(script: Path) -> tuple[list[dict[str, Any]], str]:
    """Lines that a script printed and its error, empty if it went well."""
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    lines = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
    lines = [line for line in lines if all(key in line for key in KEYS)]
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        return lines, f"exit code {done.returncode}: {said[-1]}"
    return lines, "" if lines else "printed no figure"


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    text = "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def row(line: dict[str, Any]) -> str:
    """One line as a row of the table."""
    on = line.get("goal_on", "ratio")
    sign = "<=" if on == "ours" and line["better"] == "lower" else ">="
    cells = [cell(line[k]) for k in ("name", "ours", "peer", "ratio")]
    cells += [f"{on} {sign} {cell(line['goal'])}", "yes" if met(line) else "NO"]
    return "| " + " | ".join([*cells, cell(line["unit"]), cell(line["n"])]) + " |"


def table(name: str, lines: list[dict[str, Any]], error: str) -> str:
    """The section of one script."""
    head = "| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS)
    rows = [row(line) for line in lines]
    if error:
        rows.append(f"| FAILED: {cell(error)} |" + " |" * (len(HEADINGS) - 1))
    return "\n".join([f"## {name}", "", f"`python benchmarks/{name}.py`", "", head, *rows, ""])


def machine() -> str:
    """Processor, cores, date and versions."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()}; "
        f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; "
        + ", ".join(found)
    )


def processor() -> str:
    """Model of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> int:
    """Run the scripts, write the file; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scripts to run; default is all")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the scripts are")
    options = parser.parse_args()
    found = scripts(options.folder)
    if unknown := set(options.names) - set(found):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; valid: {', '.join(found)}")
    sections, failed = [], False
    for name in options.names or found:
        print(f"{name} ...", flush=True)
        lines, error = run(found[name])
        sections.append(table(name, lines, error))
        failed = failed or bool(error)
    intro = (
        f"# Benchmark results\n\n{machine()}\n\nOurs and the peer take turns in one run; figures "
        "are medians. A ratio above 1 means that we do better.\n"
    )
    command = " ".join(["python benchmarks/run_all.py", *options.names])
    options.out.write_text("\n".join([intro, f"Made by `{command}`.\n", *sections]))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
