"""The grammar of targets, free of torch.

    target  = ["-"] term { ("+" | "-") term }
    term    = [number "*"] name { "[" index "]" } ["@t+" steps]

``value``, ``entropy``; ``q[A]``, ``logit[A]``, ``logp[A]`` with an action's name, its number,
``taken`` (the executed one) or ``best`` (the greedy one); ``mean[i]``; ``site[name][i,j]``;
``direction[name]``; ``same[policy]`` and ``same[value]``, minus half the squared change from the
decision as recorded: of the scores of all actions, or of the value.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from policyscope.core.errors import PolicyscopeError, UnknownName

#: What may stand in a target: how many brackets follow the name, and what an example looks like.
KINDS = {
    "value": (0, "value"),
    "entropy": (0, "entropy"),
    "q": (1, "q[taken]"),
    "logit": (1, "logit[taken]"),
    "logp": (1, "logp[taken]"),
    "mean": (1, "mean[0]"),
    "site": (2, "site[trunk.relu0][17]"),
    "direction": (1, "direction[ica/3]"),
    "same": (1, "same[policy]"),
}
#: What can stay the same.
SAME = ("policy", "value")
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"
_TOKENS = re.compile(
    rf"\s*(?:(?P<number>{_NUMBER})|(?P<name>[A-Za-z_]\w*)|\[(?P<index>[^\[\]]*)\]"
    r"|@\s*t\s*\+\s*(?P<offset>\d+)|(?P<sign>[-+])|(?P<times>\*))"
)


class BadTarget(PolicyscopeError):
    """A target that cannot be read; points at the place."""

    def __init__(self, text: str, at: int, cause: str):
        rest = text[at:].split()
        word = f"at '{rest[0]}' (character {at + 1})" if rest else "at its end"
        super().__init__(f"target '{text}': {cause}, {word}. Valid: {_valid()}")
        self.text, self.at = text, at


def _valid() -> str:
    return (
        ", ".join(example for _, example in KINDS.values())
        + "; sums, differences and factors of them (0.5*q[0] - q[1]); @t+5 after one for later."
    )


@dataclass(frozen=True)
class Term:
    """One summand of a target.

    Args:
        factor: number it is multiplied by, sign included.
        kind: value, entropy, q, logit, logp, mean, site, direction or same.
        name: action, ``taken`` or ``best``; site; direction; policy or value; empty where a number
            is given.
        index: number of the action or mean; indices of the site's unit.
        offset: steps later than the row.
    """

    factor: float
    kind: str
    name: str = ""
    index: tuple[int, ...] = ()
    offset: int = 0

    def __str__(self) -> str:
        numbers = ",".join(map(str, self.index))
        brackets = f"[{self.name}]" if self.name else ""
        brackets += f"[{numbers}]" if self.index else ""
        return self.kind + brackets + (f"@t+{self.offset}" if self.offset else "")


@dataclass(frozen=True)
class Target:
    """A scalar per row: a sum of terms. ``str`` gives the canonical text, which parses back."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        text = ""
        for term in self.terms:
            minus = term.factor < 0
            text += (" - " if minus else " + ") if text else ("-" if minus else "")
            size = abs(term.factor)
            text += ("" if size == 1 else f"{size!r}".removesuffix(".0") + "*") + str(term)
        return text


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKENS.match(text, at)
        start = at + len(text[at:]) - len(text[at:].lstrip())
        if match is None or match.lastgroup is None:
            raise BadTarget(text, start, "cannot be read")
        tokens.append(_Token(match.lastgroup, match.group(match.lastgroup), start))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


class _Reader:
    """The tokens of one text and how far they are read."""

    def __init__(self, text: str):
        self.text, self.tokens = text, _tokens(text)

    def take(self, kind: str) -> _Token | None:
        return self.tokens.pop(0) if self.tokens[0].kind == kind else None

    def fail(self, cause: str) -> NoReturn:
        raise BadTarget(self.text, self.tokens[0].at, cause)


def parse_target(text: str) -> Target:
    """Read a target.

    Args:
        text: e.g. ``q[FASTER]-q[SLOWER]`` or ``0.5*site[memory.state][17]@t+5``.

    Raises:
        BadTarget: it cannot be read; the message points at the place and lists what is valid.
        UnknownName: no such kind of term, with the nearest ones.

    Example:
        >>> str(parse_target("q[FASTER]-0.50*q[SLOWER]"))
        'q[FASTER] - 0.5*q[SLOWER]'
    """
    reader = _Reader(text)
    terms: list[Term] = []
    while True:
        sign = reader.take("sign")
        if terms and sign is None:
            if reader.take("end"):
                return Target(tuple(terms))
            reader.fail("expected + or -")
        terms.append(_term(reader, -1.0 if sign and sign.text == "-" else 1.0))


def _term(reader: _Reader, factor: float) -> Term:
    if number := reader.take("number"):
        factor *= float(number.text)
        if factor in (float("inf"), float("-inf")):
            raise BadTarget(reader.text, number.at, "the factor is not finite")
        if not reader.take("times"):
            reader.fail("expected * after the number")
    name = reader.take("name")
    if name is None:
        reader.fail("expected a name")
    if name.text not in KINDS:
        raise UnknownName("target", name.text, KINDS)
    count, example = KINDS[name.text]
    brackets = []
    while bracket := reader.take("index"):
        brackets.append(bracket.text.strip())
    if len(brackets) != count or not all(brackets):
        raise BadTarget(reader.text, name.at, f"{name.text} is written like {example}")
    offset = reader.take("offset")
    steps = int(offset.text) if offset else 0
    if name.text == "site":
        return Term(factor, "site", brackets[0], _numbers(reader, brackets[1], name.at), steps)
    if name.text in ("q", "logit", "logp", "mean") and brackets[0].isdecimal():
        return Term(factor, name.text, "", (int(brackets[0]),), steps)
    if name.text == "same" and brackets[0] not in SAME:
        raise UnknownName("part of a decision", brackets[0], SAME)
    if name.text == "mean":
        raise BadTarget(reader.text, name.at, "mean takes the number of an action axis")
    return Term(factor, name.text, brackets[0] if brackets else "", (), steps)


def _numbers(reader: _Reader, text: str, at: int) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise BadTarget(reader.text, at, f"the unit [{text}] is written like [17] or [0,3]")
    return tuple(int(word) for word in words)
