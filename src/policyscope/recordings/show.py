"""What a recording holds, as text and as HTML for notebooks."""

import base64
from html import escape
from pathlib import Path

import numpy as np
from rich.console import Console

from policyscope.core.errors import PolicyscopeError
from policyscope.core.numbers import rounded
from policyscope.core.stats import Interval, bootstrap_mean, wilson
from policyscope.recordings.levels import levels
from policyscope.recordings.plan import NO_SEED, UNKNOWN
from policyscope.recordings.read import Recording, open_recording

PREVIEW_SIZE = 320
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def outcome_rates(recording: Recording) -> dict[str, Interval]:
    """Share of episodes with each outcome, with Wilson intervals.

    An episode may have two outcomes (arrived and crashed on one step), so shares may add to more
    than 1.
    """
    outcomes = [text.split("+") for text in recording.episodes["outcome"] if text]
    names = sorted({name for parts in outcomes for name in parts})
    n = len(recording)
    return {name: wilson(sum(name in parts for parts in outcomes), n) for name in names}


def action_counts(recording: Recording) -> dict[str, int]:
    """How often each named action was executed; empty for continuous actions."""
    names = recording.space.actions
    if not names or not len(recording):
        return {}
    taken = np.bincount(recording.rows(["action"])["action"].astype(int), minlength=len(names))
    return dict(zip(names, taken.tolist(), strict=True))


def size_on_disk(recording: Recording) -> int:
    """Bytes of all files of the recording, its agent included."""
    return sum(p.stat().st_size for p in recording.path.rglob("*") if p.is_file())


def facts(recording: Recording) -> dict[str, str]:
    """What there is to say in one line each, by title."""
    plan, table = recording.plan, recording.episodes
    options = ", ".join(f"{k}={v}" for k, v in recording.env.options.items())
    lines = {
        "recording": str(recording.path),
        "environment": recording.env.id + (f" ({options})" if options else ""),
        "acting": recording.act,
        "episodes": f"{len(recording)}, {_seeds(recording)}",
        "steps": f"{int(table['steps'].sum())}",
        "size": size_text(size_on_disk(recording)),
    }
    if not recording.finished:
        lines["unfinished"] = (
            f"{len(recording)} of {plan.episodes} episodes; run the same record command again"
        )
    if plan.act == UNKNOWN:
        lines["policy"] = "unknown: the episodes were imported, without their agent"
    returns = table["return"].to_numpy()
    known = returns[~np.isnan(returns)]
    if len(known):
        left = len(returns) - len(known)
        others = f"; of {left} pieces of episodes it is unknown" if left else ""
        interval = bootstrap_mean(known, seed=0)
        equal = f"{rounded(interval.mean, 4)} in all {len(known)} episodes"
        told = f"{interval}, 95 % bootstrap interval"
        lines["return"] = (equal if interval.low == interval.high else told) + others
    elif len(returns):
        lines["return"] = "unknown: rewards or whole episodes were not kept"
    for number, note in enumerate(recording.provenance.get("notes", ())):
        lines[f"note {number + 1}"] = note
    return lines


def _seeds(recording: Recording) -> str:
    first, last = recording.plan.seed, recording.plan.seed + recording.plan.episodes - 1
    if first == NO_SEED:
        return "from unknown seeds"
    told = f"seeds {first} to {last}"
    played = {level for level in levels(recording.env, range(first, last + 1)) if level is not None}
    return f"{told}, levels {min(played)} to {max(played)}" if played else told


def tables(recording: Recording) -> list[Table]:
    """Outcomes, actions and arrays, each as column titles and lines of text."""
    outcomes: list[tuple[str, ...]] = [
        (name, f"{i.mean:.3f}", f"{i.low:.3f} to {i.high:.3f}", str(i.n))
        for name, i in outcome_rates(recording).items()
    ]
    counts = action_counts(recording)
    total = max(1, sum(counts.values()))
    actions: list[tuple[str, ...]] = [
        (name, str(count), f"{count / total:.3f}") for name, count in counts.items()
    ]
    arrays: list[tuple[str, ...]] = [("obs", _shape(recording.space.obs_shape))]
    arrays += [(name, _shape(shape)) for name, shape in recording.outputs.items()]
    plan = recording.plan
    arrays += [
        (f"sites/{name}", _shape(shape) + f", at one step of {plan.every}" * (name in plan.thinned))
        for name, shape in recording.sites.items()
    ]
    every: list[Table] = [
        (("outcome", "share", "95 % Wilson interval", "n"), outcomes),
        (("action", "count", "share"), actions),
        (("array", "shape of a row"), arrays),
    ]
    return [table for table in every if table[1]]


def recording_text(recording: Recording) -> str:
    """The description as plain text."""
    width = max(map(len, facts(recording)))
    lines = [f"{title:<{width}}  {text}" for title, text in facts(recording).items()]
    for head, body in tables(recording):
        columns = list(zip(head, *body, strict=True))
        widths = [max(map(len, column)) for column in columns]
        lines.append("")
        for cells in (head, *body):
            padded = (f"{c:<{w}}" for c, w in zip(cells, widths, strict=True))
            lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def recording_html(recording: Recording) -> str:
    """The description as HTML, with a video of the first episode where PyAV is installed."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(k)}</th><td>{escape(v)}</td></tr>"
        for k, v in facts(recording).items()
    )
    parts = [f"<table>{rows}</table>"]
    for head, body in tables(recording):
        titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        lines = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in body
        )
        parts.append(f"<table><tr>{titles}</tr>{lines}</table>")
    return f"<div>{''.join(parts)}{preview_html(recording)}</div>"


def preview_html(recording: Recording) -> str:
    """Inline video of the first episode, or the reason why there is none."""
    if not len(recording):
        return ""
    episode = int(recording.episodes["episode"].iloc[0])
    try:
        data = base64.b64encode(recording.video(episode, PREVIEW_SIZE)).decode()
    except PolicyscopeError as error:
        return f"<p>no video: {escape(str(error))}</p>"
    return (
        f"<figure><video controls loop muted src='data:video/mp4;base64,{data}'></video>"
        f"<figcaption>episode {episode}: the scene before each step, with its action values"
        "</figcaption></figure>"
    )


def show_recording(path: str | Path, console: Console) -> None:
    """Print the description of a recording, also of an unfinished one.

    Args:
        path: folder of the recording, or its URL.
        console: where to.

    Raises:
        BadFile: no recording, or a part of it is torn.
    """
    from rich.table import Table as RichTable
    from rich.text import Text

    recording = open_recording(path, partial=True)
    grid = RichTable.grid(padding=(0, 2))
    for title, text in {**facts(recording), "recording": str(path)}.items():
        grid.add_row(Text(title, style="bold"), Text(text))
    console.print(grid)
    for head, body in tables(recording):
        table = RichTable(*head)
        for cells in body:
            table.add_row(*map(Text, cells))
        console.print(table)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def size_text(count: int) -> str:
    """Bytes for people.

    Example:
        >>> size_text(1_234_567)
        '1.23 MB'
    """
    power = min(3, int(np.log10(max(count, 1))) // 3)
    return f"{rounded(count / 1000**power)} {('bytes', 'kB', 'MB', 'GB')[power]}"
