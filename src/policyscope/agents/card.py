"""An agent's card in lines: how it was made, who taught it, how good it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from policyscope.core.numbers import rounded, signed

Card = Mapping[str, Any]

#: Parts of a card that lines tell, or that the command repeats.
_TOLD = {"algorithm", "config", "seed", "steps", "episodes", "provenance", "start", "teacher"}


def card_lines(card: Card) -> list[tuple[str, str]]:
    """What a card says, in short: lines with a name each.

    Args:
        card: as ``agent.json`` holds it; what it does not hold is not told.

    Example:
        >>> card_lines({"algorithm": "dqn", "steps": 500, "seed": 3})
        [('trained', 'dqn, 500 environment steps, seed 3')]
    """
    lines = [*_made(card), *_learned_from(card)]
    told = set(_TOLD)
    if isinstance(card.get("evaluation"), Mapping) and "agent" in card["evaluation"]:
        lines += _evaluated(card["evaluation"])
        told.add("evaluation")
    if isinstance(card.get("memory"), Mapping) and "reset" in card["memory"]:
        lines += _remembers(card["memory"])
        told.add("memory")
    return lines + rows({k: v for k, v in card.items() if k not in told})


def runs(card: Card) -> list[Card]:
    """The card of each run that led to an agent, the first one first.

    Example:
        >>> [run["steps"] for run in runs({"steps": 7, "start": {"card": {"steps": 9}}})]
        [9, 7]
    """
    found: list[Card] = []
    while card:
        found.insert(0, card)
        card = card.get("start", {}).get("card", {})
    return found


def rows(values: Card, prefix: str = "") -> list[tuple[str, str]]:
    """Values of a card under dotted names.

    Example:
        >>> rows({"run": {"seed": 0}})
        [('run.seed', '0')]
    """
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found += rows(value, f"{prefix}{key}.")
        else:
            text = rounded(value, 6) if isinstance(value, float) else str(value)
            found.append((f"{prefix}{key}", text))
    return found


def _made(card: Card) -> Iterator[tuple[str, str]]:
    if "algorithm" in card:
        known = [
            f"{card['steps']:,} environment steps" if "steps" in card else "",
            f"seed {card['seed']}" if "seed" in card else "",
        ]
        yield "trained", ", ".join([str(card["algorithm"]), *filter(None, known)])
    made = card.get("provenance", {})
    if "command" in made:
        yield "by", str(made["command"])
    if "date" in made:
        yield "on", f"{made['date'][:10]}, policyscope {made.get('policyscope', 'unknown')}"


def _learned_from(card: Card) -> Iterator[tuple[str, str]]:
    chain = runs(card)
    if len(chain) > 1:
        steps = ", ".join(f"{run['steps']:,}" for run in chain[:-1] if "steps" in run)
        of = f" of {steps} environment steps" if steps else ""
        yield "runs before it", f"{len(chain) - 1}{of}, each begun with weights of the one before"
    taught = [i for i, run in enumerate(chain, 1) if "teacher" in run]
    for who in dict.fromkeys(_teacher(chain[i - 1]["teacher"]) for i in taught):
        which = [str(i) for i in taught if _teacher(chain[i - 1]["teacher"]) == who]
        alone = len(chain) - taught[-1]
        told = f" in runs {', '.join(which)} of {len(chain)}" if len(chain) > 1 else ""
        since = f"; none in the last {chain[-1]['steps']:,} steps" if alone == 1 else ""
        yield "learned from", f"{who}{told}{since}"


def _teacher(teacher: Card) -> str:
    source = teacher.get("source", {})
    file = source.get("file") if isinstance(source, Mapping) else None
    return str(teacher.get("lineage") or "an agent") + (f" ({file})" if file else "")


def _evaluated(found: Card) -> Iterator[tuple[str, str]]:
    own, seeds = found["agent"], found.get("seeds")
    where = f", seeds {seeds[0]} to {seeds[1]}" if seeds else ""
    yield "return", f"{_interval(own['return'])}, n {own['n']:,}, acts {own['act']}{where}"
    for name, other in found.get("baselines", {}).items():
        paired = found.get("paired", {}).get(name, {}).get("difference")
        by = f"; the agent minus it {_interval(paired, signed)}" if paired else ""
        yield f"  {name}", f"{_interval(other['return'])}, n {other['n']:,}{by}"
    told = sorted(own.get("outcomes", {}).items(), key=lambda item: -item[1]["rate"])
    seen = [f"{name} {_percent(value)}" for name, value in told if value["rate"] > 0]
    if seen:
        yield "outcomes", "; ".join(seen)


def _remembers(memory: Card) -> Iterator[tuple[str, str]]:
    n = memory.get("n", {})
    size = f", n {n['decisions']:,} decisions of {n['episodes']:,} episodes" if n else ""
    for name, value in memory.get("reset", {}).items():
        title = value.get("title", name)
        yield f"memory: {title}", f"{_interval(value)} {value.get('unit', '')}".rstrip() + size
    for name, ways in memory.get("velocity", {}).items():
        told = ", ".join(f"{way} {_interval(value)}" for way, value in ways.items())
        source = {"frame": "the frame alone", "difference": "memory, less from the frame"}
        yield f"velocity read from {source.get(name, name)}", f"R\N{SUPERSCRIPT TWO} {told}"


def _interval(value: Card, how: Any = rounded) -> str:
    mean = value.get("mean", value.get("estimate"))
    return f"{how(mean)} [{how(value['low'])}, {how(value['high'])}]"


def _percent(value: Card) -> str:
    rate, low, high = (f"{100 * value[k]:.1f}" for k in ("rate", "low", "high"))
    return f"{rate} % [{low}, {high}]"
