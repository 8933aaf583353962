"""The curve of a run: JSON lines, TensorBoard where it is installed, and a progress bar."""

import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@runtime_checkable
class _Writer(Protocol):
    def add_scalar(self, tag: str, value: float, step: int) -> None: ...
    def close(self) -> None: ...


def _tensorboard(folder: Path, step: int) -> _Writer | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    writer: _Writer = SummaryWriter(str(folder), purge_step=step + 1)
    return writer


class CurveLog:
    """Appends rows to ``curve.jsonl`` and mirrors their numbers to TensorBoard and a bar.

    Rows written after the state from which a run resumes are dropped, so that a resumed run's
    curve is the one it would have had.

    Args:
        run: folder of the run.
        step: environment steps at which the run starts or resumes.
        total: environment steps asked for.
        each: environment steps of one iteration; the run ends with a whole one.
    """

    def __init__(self, run: Path, step: int, total: int, each: int = 1):
        self.path = run / "curve.jsonl"
        kept = [r for r in read_curve(self.path) if r["step"] <= step] if step else []
        beside = self.path.with_suffix(".part")
        beside.write_text("".join(json.dumps(r) + "\n" for r in kept))
        beside.replace(self.path)
        self.file = self.path.open("a")
        self.board = _tensorboard(run / "tensorboard", step)
        self.returns = [r["return"] for r in kept if "return" in r]
        self.began, self.offset = time.monotonic(), kept[-1]["seconds"] if kept else 0.0
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps  {task.fields[speed]}/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.first, self.asked, self.each = step, total, each
        self.total = -(-total // each) * each
        self.task = self.bar.add_task("training", total=self.total, completed=step, speed="-")

    def __enter__(self) -> "CurveLog":
        self.bar.start()
        if self.total != self.asked:
            told = f"{self.total:,} steps will be run for the {self.asked:,} asked for"
            each = f"whole iterations of {self.each:,}"
            self.bar.console.print(f"{told}: {each}", highlight=False, soft_wrap=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()
        self.file.close()
        if self.board:
            self.board.close()

    def write(self, step: int, row: dict[str, Any]) -> None:
        """Append one row; numbers go to TensorBoard under their names."""
        seconds = round(self.offset + time.monotonic() - self.began, 2)
        self.file.write(json.dumps({"step": step, "seconds": seconds, **row}) + "\n")
        if "return" in row:
            self.returns.append(row["return"])
        if self.board:
            for name, value in row.items():
                if isinstance(value, int | float):
                    self.board.add_scalar(name, value, step)

    def keep(self) -> None:
        """Put every row so far on the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def advance(self, step: int) -> None:
        """Move the bar and flush the file."""
        recent = self.returns[-100:]
        text = (
            f"return {sum(recent) / len(recent):.2f} (last {len(recent)})" if recent else "training"
        )
        speed = (step - self.first) / max(time.monotonic() - self.began, 1e-9)
        self.bar.update(self.task, completed=step, description=text, speed=f"{speed:.0f}")
        self.file.flush()


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Rows of a curve; a line torn by a kill is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
