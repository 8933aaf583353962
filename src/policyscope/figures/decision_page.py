"""The page that ``policyscope report`` writes: one decision, in one HTML file without scripts."""

import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from policyscope.attribution.results.wording import baseline_words, fewer_words
from policyscope.core.files import write_text
from policyscope.core.numbers import mean_text, rounded, trifling
from policyscope.core.result import Result
from policyscope.figures.decision_pictures import drawn, legend, video
from policyscope.figures.decision_style import style
from policyscope.figures.fork_page import words as fork_words
from policyscope.reports.numbers import executed_words
from policyscope.reports.parts import Blame, Numbers, Report
from policyscope.reports.told import alone_of, share_words, target_words

_MOST = 12
#: Of what the policy puts out.
UNITS = {"Q-value": "return", "value": "return"}
TITLES = {
    "numbers": "What the policy put out", "clip": "The steps around it",
    "scene": "The scene of the decision", "attribution": "What the decision is owed to",
    "why not": "The nearest scene in which it would act otherwise",
    "without": "Without what counts most", "fork": "Played on with it and without it",
}  # fmt: skip


def write_decision(report: Report, path: Path, mode: str = "light") -> int:
    """Write a report as a page that opens from disk without a network.

    Args:
        report: of ``reports.decision.report``.
        path: file to write.
        mode: light or dark.

    Returns:
        Bytes of the page.

    Raises:
        MissingPart: Pillow is not installed and there are pictures.
    """
    parts: dict[str, Callable[[], str]] = {
        "clip": lambda: _clip(report),
        "numbers": lambda: _numbers(report.numbers) if report.numbers else "",
        "attribution": lambda: _attribution(report, mode),
        "why not": lambda: _nearest(report),
        "without": lambda: _without(report),
        "fork": lambda: _fork(report),
    }
    sections = "".join(_section(report, name, make) for name, make in parts.items())
    title = html.escape(report.place.rsplit("/", 1)[-1])
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Report {title}</title><style>{style(mode)}</style></head><body>"
        f'<header><p class="place">{title}</p><h1>{html.escape(report.headline)}</h1>'
        f"</header><main>{sections}</main>{_origin(report)}</body></html>\n"
    )
    write_text(path, page)
    return len(page.encode())


def _section(report: Report, name: str, make: Callable[[], str]) -> str:
    inner = make()
    if not inner:
        why = report.missing.get(name, "it is not known")
        inner = f'<p class="missing">Left out: {html.escape(why)}.</p>'
    wide = " wide" if name in ("attribution", "why not", "without", "fork") else ""
    return (
        f'<section class="{wide.strip()}" id="{name.replace(" ", "-")}">'
        f"<h2>{html.escape(TITLES[name])}</h2>{inner}</section>"
    )


def _clip(report: Report) -> str:
    if report.clip is None:
        return ""
    film = report.clip
    told = f"Steps {film.first} to {film.last}; a coloured frame marks the step of the decision."
    return f"{video(film.video, film.width, told)}{_p(told)}"


def _numbers(numbers: Numbers) -> str:
    drawn_out = numbers.kind != "mean of the action"
    reach = max(abs(value) for value in numbers.values) or 1.0
    signs = min(numbers.values) < 0
    rows = []
    for i in _by_value(numbers):
        marks = [word for word, n in (("chosen", numbers.taken), ("preferred", numbers.best))
                 if n == i and not (word == "preferred" and numbers.taken == i)]  # fmt: skip
        value = numbers.values[i]
        share = value / reach
        bar = _signed(share, plain=True) if signs else f'<i style="width:{100 * share:.1f}%"></i>'
        chosen = ' class="chosen"' if numbers.taken == i else ""
        rows.append(
            f"<tr{chosen}><td>{html.escape(numbers.names[i])}</td><td>{_number(value)}</td>"
            f'<td class="bar{" signed" * signs}">{bar if drawn_out else ""}</td>'
            f"<td>{', '.join(marks)}</td></tr>"
        )
    left = len(numbers.values) - len(rows)
    done = executed_words(numbers)
    told = _p(f"Executed: {_minus(done)}.") if done else ""
    told += "".join(
        _p(f"{name}: {_number(value)}{_unit(UNITS, name)}") for name, value in numbers.told.items()
    )
    more = _p(f"and {left} more below these") if left else ""
    return (
        f"<table><tr><th>action</th><th>{html.escape(numbers.kind)}"
        f"{_unit(UNITS, numbers.kind)}</th><th></th><th></th></tr>"
        f"{''.join(rows)}</table>{more}{told}"
    )


def _by_value(numbers: Numbers) -> list[int]:
    """The actions shown: the greatest first, and the one that was taken."""
    order = sorted(range(len(numbers.values)), key=lambda i: -numbers.values[i])
    if numbers.taken is None or len(order) <= 8:
        return order if numbers.taken is not None else sorted(order)
    return [i for place, i in enumerate(order) if place < 8 or i == numbers.taken]


def _attribution(report: Report, mode: str) -> str:
    blame = report.blame
    if blame is None:
        return ""
    data = blame.result.data
    target, words = float(data["target"].values[0]), target_words(blame)
    told = (
        f"{words[0].upper()}{words[1:]} is {_number(target)}{_unit(data['target'].attrs)}. "
        f"{''.join(f'{_minus(one.told)}. ' for one in alone_of(report))}"
        f"{data.attrs['method'].replace('_', ' ').capitalize()} at {data.attrs['site']} "
        f"{_what_is_shared(blame.result)}. Positive speaks for it, negative against it."
    )
    flat = data["map"].values[0, 0] if "map" in data else None
    picture = ""
    if report.scene is not None:
        names = dict(zip(blame.entities["identity"], blame.entities["share"], strict=True))
        picture = f"<figure>{drawn(report.scene, names, flat, mode)}{legend()}</figure>"
    return (
        f'{_p(told)}<div class="pair">{picture}<div>{_shares(blame)}</div></div>'
        f"{_trust(blame)}{_checks(blame.result)}"
    )


def _what_is_shared(result: Result) -> str:
    data = result.data
    if "change" in data:
        change = _number(float(data["change"].values[0]))
        return f"shares out its change from the baseline ({data.attrs['baseline']}), {change}"
    return f"says what it depends on; {baseline_words(result)}"


def _shares(blame: Blame) -> str:
    """Bars of entities, or of units where there are none."""
    table, data = blame.entities, blame.result.data
    share = f"<th>share{html.escape(_unit(data.attrs))}</th><th></th>"
    if len(table):
        lines = list(zip(table["name"], table["share"], table["effect"], strict=True))
        lost = html.escape(_unit(data["target"].attrs))
        head = f"<th>entity</th>{share}<th>lost without it{lost}</th>"
    else:
        lines = [(name, value, None) for name, value in blame.units]
        head = f"<th>unit</th>{share}"
    reach = max((abs(float(share)) for _, share, _ in lines), default=0.0) or 1.0
    most = float(table["effect"].abs().max()) if len(table) else 0.0
    rows = []
    for name, share, effect in lines[:_MOST]:
        lost = "" if effect is None else f"<td>{_beside(effect, most)}</td>"
        rows.append(
            f"<tr><td>{html.escape(str(name))}</td><td>{_beside(share, reach)}</td>"
            f"<td class='bar signed'>{_signed(float(share) / reach)}</td>{lost}</tr>"
        )
    left = len(lines) - len(rows)
    more = _p(f"and {left} smaller ones") if left else ""
    note = (
        _p(
            f"Share: {share_words(blame)}. Lost without it: what the target loses when the entity "
            "alone is taken out of the scene and the agent asked again. – : it cannot be taken out."
        )
        if len(table)
        else ""
    )
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>{more}{note}"


def _signed(share: float, plain: bool = False) -> str:
    """A bar from the middle: coloured by what it speaks for, or plain."""
    side, place = ("for", "left:50%") if share > 0 else ("against", "right:50%")
    kind = "" if plain else f' class="{side}"'
    return f'<i{kind} style="{place};width:{45 * abs(share):.1f}%"></i>'


def _trust(blame: Blame) -> str:
    if not blame.trust:
        return _p("Of how far this method holds there are no figures here.")
    rows = "".join(
        f"<tr><td>{html.escape(line['name'])}</td><td>{_interval(line)}</td>"
        f"<td>{line['n']}</td><td>{html.escape(line['better'])}</td>"
        f"<td>{html.escape(line['reading'])}</td></tr>"
        for line in blame.trust
    )
    told = (
        f"How far that holds, measured on {blame.decisions} decisions of the recording, where "
        f"units are set to: {blame.result.data.attrs['baseline']}; 95 % intervals over episodes. "
        f"{fewer_words(blame.trust, blame.decisions)}"
    )
    return (
        f'{_p(told)}<div class="wide-table"><table><tr><th>figure</th><th>mean [95 %]</th><th>n'
        f"</th><th>better</th><th>reads</th></tr>{rows}</table></div>"
    )


def _interval(line: dict[str, Any]) -> str:
    return mean_text(line).replace("-", "\N{MINUS SIGN}")


def _nearest(report: Report) -> str:
    nearest = report.nearest
    if nearest is None:
        return ""
    if nearest.result is None:
        return _p(_needless(report.numbers, nearest.action), "found")
    tried = int(nearest.result.data.attrs["entities"])
    what = f"removing and moving each of the {tried} nearest entities by up to four of its lengths"
    if nearest.before is None or nearest.after is None:
        told = f"None was found in which the agent prefers {nearest.action}. Tried: {what}."
        return f"{_p(told)}{_checks(nearest.result)}"
    who = int(nearest.result.data["identity"].values[nearest.change or 0])
    told = f"The agent prefers {nearest.action} after this change alone: {nearest.told}."
    return (
        f'{_p(told, "found")}<div class="pair">'
        f"<figure>{drawn(nearest.before, marked=who)}<figcaption>as it was</figcaption></figure>"
        f"<figure>{drawn(nearest.after, marked=who)}<figcaption>{html.escape(nearest.told)}"
        f"</figcaption></figure></div>{_p(f'The least of those tried: {what}.')}"
        f"{_checks(nearest.result)}"
    )


def _needless(numbers: Numbers | None, action: str) -> str:
    told = f"No change is needed: the agent prefers {action} in the scene as it is"
    if numbers is None or numbers.best is None or numbers.taken is None:
        return f"{told}."
    best, done = (_number(numbers.values[place]) for place in (numbers.best, numbers.taken))
    what = numbers.called(numbers.taken)
    return f"{told} ({numbers.kind} {best}). What was done, {what}, has {done}."


def _without(report: Report) -> str:
    one, numbers = report.without, report.numbers
    if one is None:
        return ""
    before, after = one.target
    keys = " and ".join(dict.fromkeys(each.action for each in alone_of(report)))
    of = f", of {keys} alone," if keys else ""
    moved = (
        f"The target{of} goes from {_number(before)} to {_number(after)}. "
        if before is not None and after is not None
        else ""
    )
    same = one.action[0] == one.action[1]
    prefers = (
        f"The agent still prefers {one.action[0]}."
        if same
        else f"The agent then prefers {one.action[1]} rather than {one.action[0]}."
    )
    names = numbers.names if numbers else tuple(f"action {i}" for i in range(len(one.values[0])))
    lines = sorted(zip(names, *one.values, strict=True), key=lambda line: -max(line[1:]))[:8]
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{_number(a)}</td><td>{_number(b)}</td></tr>"
        for name, a, b in lines
    )
    told = f"Of what can be removed {one.name} counts most. {moved}{prefers}"
    kind = numbers.kind if numbers else ""
    unit = f", {html.escape(kind)}{_unit(UNITS, kind)}" if kind else ""
    return (
        f'{_p(told, "found")}<div class="pair"><figure>{drawn(one.picture, {})}'
        f"<figcaption>without {html.escape(one.name)}</figcaption></figure>"
        f"<div><table><tr><th>action</th><th>as it was{unit}</th><th>without it{unit}</th></tr>"
        f"{rows}"
        f"</table></div></div>"
    )


def _fork(report: Report) -> str:
    result = report.fork
    if result is None:
        return ""
    data, rows = result.data, []
    for side in ("kept", "changed"):
        one = data.sel(side=side)
        ends = [str(end).replace("_", " ") or "cut" for end in one["outcome"].values]
        counts = ", ".join(
            f"{end} {ends.count(end)} of {len(ends)}"
            for end in sorted(set(ends), key=lambda end: -ends.count(end))
        )
        rows.append(
            f"<tr><td>{'with it' if side == 'kept' else 'without it'}</td>"
            f"<td>{_number(float(one['return'].mean()))}</td>"
            f"<td>{_number(float(one['steps'].mean()))}</td><td>{html.escape(counts)}</td></tr>"
        )
    time = (
        f"Played in {report.seconds['fork']:.0f} s. Changes of a scene have no null: both futures "
        "of a pair meet the same chances."
    )
    return (
        f"{_p(fork_words(result), 'found')}<table><tr><th></th><th>mean return</th>"
        f"<th>mean steps</th><th>outcomes</th></tr>{''.join(rows)}</table>"
        f"{_p(time)}{_checks(result)}"
    )


def _checks(result: Any) -> str:
    return "".join(
        _p(str(check), "check" if check.passed else "check failed") for check in result.checks
    )


def _origin(report: Report) -> str:
    facts = "".join(
        f"<dt>{html.escape(title)}</dt><dd>{html.escape(text)}</dd>"
        for title, text in report.provenance.items()
    )
    lines = "".join(
        f"<dt>{html.escape(name)}</dt><dd><code>{html.escape(text)}</code></dd>"
        for name, text in report.commands.items()
    )
    total = sum(report.seconds.values())
    return (
        f'<footer><h2>Where this comes from</h2><dl>{facts}<dt>time</dt><dd>{total:.0f} s</dd></dl>'
        f"<h2>Again</h2><dl>{lines}</dl></footer>"
    )  # fmt: skip


def _unit(units: Mapping[str, Any], name: str = "unit") -> str:
    """A unit in brackets; nothing where it is not known."""
    return f" ({unit})" if (unit := units.get(name, "")) else ""


def _p(text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f"<p{named}>{html.escape(text)}</p>"


def _minus(text: str) -> str:
    """Numbers of a text with a true minus; names keep their hyphens."""
    return re.sub(r"(?<![\w-])-(?=\d)", "\N{MINUS SIGN}", text)


def _beside(value: float, most: float) -> str:
    """A number of a column; what is nothing beside the largest is called that."""
    if value != value:
        return "–"
    return "about 0" if value and trifling(value, most) else _number(value)


def _number(value: Any) -> str:
    value = float(value)
    text = "0" if value == 0 else rounded(value) if abs(value) >= 1e-4 else f"{value:.1e}"
    return text.replace("-", "\N{MINUS SIGN}")
