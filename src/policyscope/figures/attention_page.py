"""The page that ``policyscope explain --method attention`` writes."""

from pathlib import Path
from typing import Any

from policyscope.circuits.report import report
from policyscope.circuits.traces import default_site, traces
from policyscope.core.numbers import rounded
from policyscope.core.result import Result
from policyscope.figures.actions import MOST, draw_actions
from policyscope.figures.attention import draw
from policyscope.figures.page import note, table, write_page
from policyscope.figures.scene import draw_scene
from policyscope.figures.traces_page import traces_parts

_CHANGES = (
    "Drawn below: {first} changes of action; all are in the result, and draw_actions(result, "
    "first=N) draws others."
)
_SCENE = (
    "One scene of {total}: the change of action whose best value exceeds the second best by most. "
    "figures.scene.draw_scene(recording, episode, step) draws any other."
)
_TRACES = (
    "Neuron traces of one site, {site}, in episode {episode}. Any other: policyscope explain REC "
    "--method traces --site SITE --episode K"
)


def write_attention_page(result: Result, recording: Any, path: Path, mode: str = "light") -> None:
    """Write overview, action changes, scene and traces of the clearest one, figures and checks.

    Args:
        result: of the method ``attention``.
        recording: the recording it explains.
        path: file to write.
        mode: light or dark.
    """
    parts: list[Any] = [draw(result, mode)]
    data = result.data
    episode = int(data["episode"].values[0])
    if total := data.sizes.get("change", 0):
        first = f"the first {MOST} of {total}" if total > MOST else f"all {total}"
        parts += [note(_CHANGES.format(first=first)), draw_actions(result, mode=mode)]
        clearest = data.isel(change=int(data["margin"].values.argmax()))
        where, episode = int(clearest["change_decision"]), int(clearest["change_episode"])
        parts += [
            note(_SCENE.format(total=total)),
            draw_scene(
                recording, episode, int(clearest["change_step"]),
                data["attention"].values[0, where], mode=mode,
            ),
        ]  # fmt: skip
    if site := default_site(recording):
        parts.append(note(_TRACES.format(site=site, episode=episode)))
        parts += traces_parts(traces(recording, site, episode), mode)
    values = report(result)
    parts += [_measures(values), _checks(result)]
    write_page(path, "What the attention heads look at", parts, mode)


def _measures(values: dict[str, Any]) -> str:
    rows = []
    for measure in values["measures"].values():
        for head, found in enumerate(measure["heads"]):
            cells = [_interval(found[q]) for q in ("trained", "initial", "difference")]
            n = f"{measure['n_rows']} / {measure['n_episodes']}"
            first = [measure["title"], measure["unit"], n] if head == 0 else ["", "", ""]
            rows.append([*first, str(head), *cells])
    head_row = ["quantity", "unit", "n rows / episodes", "head", "trained", "initial", "difference"]
    level = 100 * values["parameters"]["level"]
    note = (
        f"Estimate [{level:g} % bootstrap interval over episodes]. 'initial' are the run's own "
        "weights before training, on the same observations."
    )
    return table("All measures", head_row, rows, note)


def _interval(found: dict[str, float | None]) -> str:
    if found["estimate"] is None:
        return "–"
    if found["low"] is None or found["high"] is None:
        return f"{found['estimate']:+.3f}"
    return f"{found['estimate']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def _checks(result: Result) -> str:
    rows = [
        [c.name, rounded(c.value), f"{c.sense} {rounded(c.bound)}", str(c.n),
         "passed" if c.passed else "FAILED"]
        for c in result.checks
    ]  # fmt: skip
    return table("Checks", ["check", "value", "bound", "n", ""], rows, result.unchecked or "")
