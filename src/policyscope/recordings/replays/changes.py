"""Changes written as text: ``remove saw``, ``move 3 x=4 y=7``, ``zero trunk.relu0[17]``."""

import re
from typing import NoReturn

from policyscope.core.edits import KINDS, Edit
from policyscope.core.errors import PolicyscopeError
from policyscope.core.numbers import rounded
from policyscope.envs.entities import Entities, entity_name, scene_units
from policyscope.envs.scene import SceneEdit

_JOINED = {"move": "to", "add": "at"}
#: Kinds of those who act, from whom the nearest of a kind is counted.
ACTING = ("player", "mouse", "ego")
#: What a scene is made of rather than what happens in it.
SCENERY = ("wall", "lava")
_SITE = re.compile(r"^(?P<site>[A-Za-z_][\w.]*)(?:\[(?P<index>[\d,\s]+)\])?(?:=(?P<number>\S+))?$")
_VALID = (
    "remove WHO, move WHO x=.. y=.., speed WHO speed=.., add x=.. y=.. speed=.. (WHO is the "
    "number of an entity, or a kind, of which the nearest is meant), zero SITE[i,j], "
    "clamp SITE[i]=NUMBER, add SITE[i]=NUMBER"
)


def read_change(text: str, entities: Entities) -> SceneEdit | Edit:
    """Read a change of the scene or of an activation.

    Args:
        text: KIND, then whose, then ``name=number``; or KIND and ``SITE[index]=number``.
        entities: of the scene, among which a kind's nearest to the one who acts is looked for.

    Raises:
        PolicyscopeError: it cannot be read, or there is no such entity; lists what is valid.

    Example:
        >>> read_change("move 3 x=4 y=7.5", Entities.empty())
        SceneEdit(kind='move', identity=3, values={'x': 4.0, 'y': 7.5})
        >>> read_change("clamp memory.state[17]=0.5", Entities.empty()).index
        ((17,),)
    """
    kind, _, rest = text.strip().partition(" ")
    words = rest.split()
    if kind in KINDS and (kind != "add" or "[" in rest):
        return _activation(text, kind, _SITE.match(rest.replace(" ", "")))
    if not kind or any("=" not in word for word in words[1:]):
        _fail(text, "cannot be read")
    return _scene(text, kind, words, entities)


def change_text(change: SceneEdit | Edit, entities: Entities, env: str = "") -> str:
    """A change in words, numbers in 3 digits, or whole from 1000 on.

    Args:
        change: what is changed.
        entities: of the scene before it.
        env: id of the environment, for units.

    Example:
        >>> change_text(SceneEdit("move", 3, {"x": 4.0, "y": 7.5}), Entities.empty(), "highway/x")
        'move 3 to x 4 m, y 7.5 m'
    """
    if isinstance(change, Edit):
        units = ",".join(str(list(unit)) for unit in change.index or ()).replace(" ", "")
        number = f" = {change.values:g}" if isinstance(change.values, float) else ""
        return f"{change.kind} {change.site}{units}{number}"
    known = dict(zip(entities.identity.tolist(), entities.kind.astype(str), strict=True))
    words = [change.kind]
    if change.identity is not None:
        kind = known.get(change.identity)
        words.append(str(change.identity) if kind is None else entity_name(kind, change.identity))
    length, speed = scene_units(env)
    of = {"x": length, "y": length, "heading": "rad", "speed": speed}
    values = [
        f"{name} {rounded(value)} {of.get(name, '')}".strip()
        for name, value in change.values.items()
    ]
    if values:
        words += [_JOINED.get(change.kind, "with"), ", ".join(values)]
    return " ".join(words)


def _activation(text: str, kind: str, site: re.Match[str] | None) -> Edit:
    if KINDS[kind].takes == "an array" and kind != "add":
        _fail(text, f"{kind} takes an array; give it from Python")
    if site is None:
        _fail(text, "names no site")
    index = tuple(int(i) for i in site["index"].split(",")) if site["index"] else None
    takes = KINDS[kind].takes != "nothing"
    if takes != bool(site["number"]):
        _fail(text, f"{kind} needs =NUMBER" if takes else f"{kind} takes no number")
    return Edit(kind, site["site"], index, _number(text, site["number"]) if takes else None)


def _scene(text: str, kind: str, words: list[str], entities: Entities) -> SceneEdit:
    who = words.pop(0) if words and "=" not in words[0] else None
    values = {}
    for word in words:
        name, _, number = word.partition("=")
        values[name] = _number(text, number)
    return SceneEdit(kind, None if who is None else _identity(text, who, entities), values)


def _identity(text: str, who: str, entities: Entities) -> int:
    if who.lstrip("-").isdigit():
        return int(who)
    kinds = [str(kind) for kind in entities.kind]
    places = [i for i, kind in enumerate(kinds) if kind == who]
    if not places:
        there = ", ".join(dict.fromkeys(kinds)) or "nothing with a name"
        _fail(text, f"there is no {who} at this step; there is {there}")
    actors = [i for i, kind in enumerate(kinds) if kind in ACTING]
    x, y = (entities.x[actors[0]], entities.y[actors[0]]) if actors else (0.0, 0.0)
    near = min(places, key=lambda i: (entities.x[i] - x) ** 2 + (entities.y[i] - y) ** 2)
    return int(entities.identity[near])


def _number(text: str, number: str) -> float:
    try:
        return float(number)
    except ValueError:
        _fail(text, f"'{number}' is no number")


def _fail(text: str, cause: str) -> NoReturn:
    raise PolicyscopeError(f"edit '{text}': {cause}. Valid: {_VALID}")
