"""What ``policyscope explain`` runs for each method."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress

ATTRIBUTION, THROUGH_TIME = "attribution", "through_time"
_Explained = tuple[dict[str, Any], Callable[[dict[str, Any]], None]]


def _attention(args: Any, out: Path, command: str) -> _Explained:
    tell_progress(0, 2, "computing")
    from policyscope.circuits.attention import explain
    from policyscope.circuits.report import report
    from policyscope.cli.explain_tables import attention_tables
    from policyscope.figures.attention_page import write_attention_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    result = explain(recording, args.attention, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_attention_page(result, recording, out / "figure.html", args.theme)
    return report(result), attention_tables


def _attribution(args: Any, out: Path, command: str) -> _Explained:
    if args.audit:
        return _audit(args, out, command)
    from policyscope.attribution.explain import attribute
    from policyscope.attribution.results.summary import attribution_report
    from policyscope.cli.attribution_tables import attribution_tables
    from policyscope.figures.attribution_page import write_attribution_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    result = attribute(recording, args.attribution, args.episode, args.step, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_attribution_page(result, out / "figure.html", args.theme)
    return attribution_report(result), attribution_tables


def _audit(args: Any, out: Path, command: str) -> _Explained:
    from policyscope.attribution.audit import audit, audit_report
    from policyscope.cli.attribution_tables import audit_table
    from policyscope.figures.audit_page import write_audit_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    result = audit(recording, args.attribution, args.episode, args.step, command)
    result.save(out, overwrite=True)
    write_audit_page(result, out / "figure.html", args.theme)
    return audit_report(result), audit_table


def _traces(args: Any, out: Path, command: str) -> _Explained:
    tell_progress(0, 2, "computing")
    from policyscope.circuits.report import traces_report
    from policyscope.circuits.traces import default_site, traces
    from policyscope.cli.explain_tables import traces_text
    from policyscope.figures.traces_page import write_traces_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    if args.site is None:
        site = default_site(recording) or next(iter(recording.sites), "SITE")
        raise PolicyscopeError(f"--method traces needs a site, e.g. --site {site}")
    first = 0 if recording.episodes.empty else int(recording.episodes["episode"].min())
    episode = first if args.episode is None else args.episode
    result = traces(recording, args.site, episode, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_traces_page(result, out / "figure.html", args.theme)
    return traces_report(result), traces_text


def _memory(args: Any, out: Path, command: str) -> _Explained:
    tell_progress(0, 2, "computing")
    from policyscope.circuits.memory import memory_use
    from policyscope.circuits.report import memory_report
    from policyscope.cli.explain_tables import memory_text
    from policyscope.figures.memory_page import write_memory_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    if args.card:
        _require_same_weights(args.card, recording)
    result = memory_use(recording, args.memory, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_memory_page(result, out / "figure.html", args.theme)
    values = memory_report(result)
    if args.card:
        from policyscope.agents.store import add_to_card

        add_to_card(args.card, "memory", values)
    return values, memory_text


def _require_same_weights(card: str, recording: Any) -> None:
    from policyscope.agents.fit import fingerprint
    from policyscope.agents.store import load_agent

    if fingerprint(load_agent(card)) != recording.plan.weights:
        raise PolicyscopeError(f"'{card}' has other weights than those that were recorded")


def _through_time(args: Any, out: Path, command: str) -> _Explained:
    from policyscope.attribution.results.time_summary import through_time_report
    from policyscope.attribution.through_time import through_time
    from policyscope.cli.attribution_tables import through_time_table
    from policyscope.figures.through_time_page import write_through_time_page
    from policyscope.recordings.read import open_recording

    recording = open_recording(args.recording)
    result = through_time(recording, args.through_time, args.episode, args.step, command)
    result.save(out, overwrite=True)
    tell_progress(1, 2, "drawing the figure")
    write_through_time_page(result, out / "figure.html", args.theme)
    return through_time_report(result), through_time_table


COMMANDS: dict[str, Callable[[Any, Path, str], _Explained]] = {
    "attention": _attention,
    ATTRIBUTION: _attribution,
    "memory": _memory,
    THROUGH_TIME: _through_time,
    "traces": _traces,
}
