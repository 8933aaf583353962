"""The grammar of queries, free of torch.

query    = all { "or" all }
all      = clause { "and" clause }
clause   = "outcome" ("==" | "!=") outcome
         | "action" ("==" | "!=") action  |  "action" "changes"
         | number ("drops" | "rises") (">" | ">=") literal ["within" steps]
         | number "crosses" literal
         | number ("top" | "bottom") count
         | number ("<" | "<=" | ">" | ">=" | "==" | "!=") number
number   = product { ("+" | "-") product }
product  = factor { ("*" | "/") factor }
factor   = literal | "-" factor | "(" number ")" | "abs" "(" number ")" | quantity
quantity = "reward" | "return" | "advantage" | "margin" | "step" | "steps"
         | "entity" "(" kind ")" "." ("distance" | "speed" | "x" | "y" | "count")
         | a term of a target, such as value, entropy, q[FASTER], site[NAME][3]
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NoReturn

from policyscope.core.errors import PolicyscopeError
from policyscope.core.target_parser import KINDS

OF_ROWS = ("reward", "return", "advantage", "margin", "step", "steps")
OF_ENTITIES = ("distance", "speed", "x", "y", "count")
COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
_WORDS = ("and", "or", "abs", "entity", "outcome", "action", "drops", "rises", "within", "crosses",
          "top", "bottom", "changes")  # fmt: skip
_TOKENS = re.compile(
    r"\s*(?:(?P<literal>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<index>\[[^\[\]]*\])|(?P<later>@\s*t\s*\+\s*\d+)"
    r"|(?P<compares><=|>=|==|!=|<|>)|(?P<sign>[-+*/().]))"
)


#: What an error is about: a quantity with all that belongs to it, else a word or a sign.
_POINTED = re.compile(
    r"entity\s*\([^()]*\)(?:\s*\.\s*\w+)?|[A-Za-z_]\w*(?:\s*\[[^\[\]]*\]|\s*@\s*t\s*\+\s*\d+)*"
    r"|[\w.]+|<=|>=|==|!=|."
)
_DEEPEST, _LONGEST = 50, 100


class BadQuery(PolicyscopeError):
    """A query that cannot be read or answered; points at the word.

    Args:
        text: the query.
        at: where the word begins; the query's length where something is missing at its end.
        cause: what is wrong.
    """

    def __init__(self, text: str, at: int, cause: str):
        rest = text[at:].split()
        where = f"at '{rest[0]}' (character {at + 1})" if rest else "at its end"
        self.text, self.at, self.cause = text, at, cause
        word = _POINTED.match(text, at) if rest else None
        self.length = word.end() - at if word else 0
        super().__init__(f"query '{text}': {cause}, {where}")


@dataclass(frozen=True)
class Written:
    """A number that is written out."""

    number: float


@dataclass(frozen=True)
class Quantity:
    """A number of each step by its name.

    Args:
        name: a name of a row, ``distance`` and the like of an entity, or a target's text.
        at: where it stands in the query.
        entity: kind of entity, with a name of ``OF_ENTITIES``.
    """

    name: str
    at: int
    entity: str = ""


@dataclass(frozen=True)
class Sum:
    """Two numbers joined by + - * or /; ``abs`` has one."""

    operator: str
    left: "Number"
    right: "Number | None" = None


Number = Written | Quantity | Sum


@dataclass(frozen=True)
class Compare:
    """One number against another."""

    left: Number
    operator: str
    right: Number


@dataclass(frozen=True)
class Move:
    """A number that falls or rises by more than a size within some steps."""

    number: Number
    way: Literal["drops", "rises"]
    operator: str
    size: float
    within: int


@dataclass(frozen=True)
class Cross:
    """A number that passes a level between the step before and this one."""

    number: Number
    level: float


@dataclass(frozen=True)
class Ranked:
    """The largest or smallest of the steps that the rest of its clauses hold for."""

    number: Number
    way: Literal["top", "bottom"]
    count: int


@dataclass(frozen=True)
class Named:
    """An outcome of the episode, or an executed action, that has a name or has not."""

    what: Literal["outcome", "action"]
    name: str
    same: bool
    at: int


@dataclass(frozen=True)
class Changes:
    """The executed action is another than at the step before."""


Clause = Compare | Move | Cross | Ranked | Named | Changes


@dataclass(frozen=True)
class Query:
    """Any of some lists of clauses, all of which hold.

    Args:
        text: as it was written.
        choices: clauses joined by ``and``, in lists joined by ``or``.
    """

    text: str
    choices: tuple[tuple[Clause, ...], ...]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def parse_query(text: str) -> Query:
    """Read a query.

    Args:
        text: e.g. ``outcome == saw and value drops > 1 within 5``.

    Raises:
        BadQuery: it cannot be read; the message points at the word.

    Example:
        >>> query = parse_query("abs(advantage) top 20")
        >>> query.choices[0][0].count
        20
    """
    reader = _Reader(text)
    choices = [_all(reader)]
    while reader.word("or"):
        choices.append(_all(reader))
    if reader.now.kind != "end":
        reader.fail("expected and, or, or the end")
    return Query(text, tuple(choices))


class _Reader:
    """The tokens of one text and how far they are read."""

    def __init__(self, text: str):
        self.text, self._tokens, self._place = text, _tokens(text), 0
        self.deep = self.joined = 0

    @property
    def now(self) -> _Token:
        return self._tokens[self._place]

    def take(self) -> _Token:
        token = self.now
        self._place += token.kind != "end"
        return token

    def word(self, *words: str) -> str:
        """The next word if it is one of these, which is then behind; else empty."""
        kinds = ("word", "sign", "compares")
        if self.now.kind in kinds and self.now.text in words:
            return self.take().text
        return ""

    def need(self, *words: str) -> str:
        return self.word(*words) or self.fail(f"expected {' or '.join(words)}")

    def fail(self, cause: str, at: int | None = None) -> NoReturn:
        raise BadQuery(self.text, self.now.at if at is None else at, cause)

    def joins(self, *signs: str) -> str:
        """The next sign that joins two numbers, if it is one of these; else empty."""
        self.joined += self.now.text in signs
        if self.joined > _LONGEST:
            self.fail(f"more than {_LONGEST} numbers are joined")
        return self.word(*signs)

    def literal(self) -> float:
        minus = bool(self.word("-"))
        if self.now.kind != "literal":
            self.fail("expected a number")
        number = float(self.take().text)
        return -number if minus else number

    def whole(self, what: str) -> int:
        if not (self.now.kind == "literal" and self.now.text.isdecimal() and int(self.now.text)):
            self.fail(f"expected a whole number of {what}, 1 or more")
        return int(self.take().text)


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKENS.match(text, at)
        start = at + len(text[at:]) - len(text[at:].lstrip())
        if match is None or match.lastgroup is None:
            raise BadQuery(text, start, "cannot be read")
        tokens.append(_Token(match.lastgroup, match.group(match.lastgroup), start))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


def _all(reader: _Reader) -> tuple[Clause, ...]:
    begun = reader.now.at
    clauses = [_clause(reader)]
    while reader.word("and"):
        clauses.append(_clause(reader))
    if sum(isinstance(clause, Ranked) for clause in clauses) > 1:
        reader.fail("of clauses joined by and, one may rank", begun)
    return tuple(clauses)


def _clause(reader: _Reader) -> Clause:
    if what := reader.word("outcome", "action"):
        return _named(reader, "outcome" if what == "outcome" else "action")
    number = _number(reader)
    if way := reader.word("drops", "rises"):
        operator = reader.need(">", ">=")
        size, within = reader.literal(), 1
        if reader.word("within"):
            within = reader.whole("steps")
        return Move(number, "drops" if way == "drops" else "rises", operator, size, within)
    if reader.word("crosses"):
        return Cross(number, reader.literal())
    if way := reader.word("top", "bottom"):
        return Ranked(number, "top" if way == "top" else "bottom", reader.whole("moments"))
    if reader.now.kind == "compares":
        operator = reader.take().text
        return Compare(number, operator, _number(reader))
    near = _near(reader.now.text, ("drops", "rises", "crosses", "top", "bottom"))
    return reader.fail(f"expected a comparison, drops, rises, crosses, top or bottom{near}")


def _named(reader: _Reader, what: Literal["outcome", "action"]) -> Named | Changes:
    if what == "action" and reader.word("changes"):
        return Changes()
    options = ("==", "!=", "changes") if what == "action" else ("==", "!=")
    same = reader.need(*options) == "=="
    at, words = reader.now.at, list[str]()
    while reader.now.kind in ("word", "literal") or (words and reader.now.text in ("-", "+")):
        if reader.now.text in ("and", "or") and words:
            break
        words.append(reader.take().text)
    if not words:
        reader.fail(f"expected the name of an {what}")
    return Named(what, "".join(words), same, at)


def _number(reader: _Reader) -> Number:
    left = _product(reader)
    while operator := reader.joins("+", "-"):
        left = Sum(operator, left, _product(reader))
    return left


def _product(reader: _Reader) -> Number:
    left = _factor(reader)
    while operator := reader.joins("*", "/"):
        left = Sum(operator, left, _factor(reader))
    return left


def _factor(reader: _Reader) -> Number:
    reader.deep += 1
    if reader.deep > _DEEPEST:
        reader.fail(f"brackets and signs lie more than {_DEEPEST} deep")
    number = _inner(reader)
    reader.deep -= 1
    return number


def _inner(reader: _Reader) -> Number:
    if reader.word("-"):
        return Sum("-", Written(0.0), _factor(reader))
    if reader.word("("):
        number = _number(reader)
        reader.need(")")
        return number
    if reader.now.kind == "literal":
        return Written(float(reader.take().text))
    if reader.now.kind != "word":
        reader.fail("expected a number or the name of a quantity")
    return _quantity(reader)


def _quantity(reader: _Reader) -> Number:
    token = reader.take()
    if token.text == "abs":
        reader.need("(")
        number = _number(reader)
        reader.need(")")
        return Sum("abs", number)
    if token.text == "entity":
        return _entity(reader, token.at)
    if token.text in OF_ROWS:
        return Quantity(token.text, token.at)
    known = (*OF_ROWS, *KINDS, "entity(KIND).distance")
    if token.text not in KINDS:
        near = _near(token.text, (*OF_ROWS, *KINDS, *_WORDS))
        cause = f"there is no quantity '{token.text}'{near}; there are {', '.join(known)}"
        reader.fail(cause, token.at)
    text = token.text
    while reader.now.kind in ("index", "later"):
        text += reader.take().text
    count, example = KINDS[token.text]
    if text.count("[") != count:
        reader.fail(f"{token.text} is written like {example}", token.at)
    return Quantity(text, token.at)


def _entity(reader: _Reader, at: int) -> Quantity:
    reader.need("(")
    if reader.now.kind != "word":
        reader.fail("expected a kind of entity")
    kind = reader.take().text
    reader.need(")")
    reader.need(".")
    return Quantity(reader.need(*OF_ENTITIES), at, kind)


def _near(word: str, words: Iterable[str]) -> str:
    others = [other for other in words if other != word]
    found = difflib.get_close_matches(word, others, n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(found)}?)" if found else ""
