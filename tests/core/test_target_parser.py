import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.target_parser import BadTarget, Target, Term, parse_target

NAMES = st.from_regex(r"[A-Za-z_][\w./-]{0,9}", fullmatch=True)
INDEX = st.lists(st.integers(0, 999), min_size=1, max_size=3).map(tuple)
FACTORS = st.floats(-1e6, 1e6).filter(bool) | st.just(1.0) | st.just(-1.0)
OFFSETS = st.integers(0, 50)


NO_INDEX = st.just(())
NUMBER = st.integers(0, 99).map(lambda i: (i,))
BY_ACTION = st.sampled_from(["q", "logit", "logp"])

# Fields of a Term. The record is made in the test: its run-time type check draws random numbers.
TERMS = st.one_of(
    st.tuples(FACTORS, st.sampled_from(["value", "entropy"]), st.just(""), NO_INDEX, OFFSETS),
    st.tuples(FACTORS, BY_ACTION, NAMES, NO_INDEX, OFFSETS),
    st.tuples(FACTORS, BY_ACTION | st.just("mean"), st.just(""), NUMBER, OFFSETS),
    st.tuples(FACTORS, st.just("site"), NAMES, INDEX, OFFSETS),
    st.tuples(FACTORS, st.just("direction"), NAMES, NO_INDEX, OFFSETS),
)


@given(st.lists(TERMS, min_size=1, max_size=4))
def test_canonical_text_parses_back(terms):
    target = Target(tuple(Term(*term) for term in terms))
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("value", "value"),
        ("logit[ JUMP ]", "logit[JUMP]"),
        ("q[FASTER]-q[SLOWER]", "q[FASTER] - q[SLOWER]"),
        ("0.50*q[A] -q[1]", "0.5*q[A] - q[1]"),
        ("-entropy+2*mean[0]", "-entropy + 2*mean[0]"),
        ("+value", "value"),
        ("site[memory.state][17]@t+5", "site[memory.state][17]@t+5"),
        ("site[attention_layer.pattern][0, 3]@ t + 2", "site[attention_layer.pattern][0,3]@t+2"),
        ("direction[ica/3]@t+0", "direction[ica/3]"),
        ("1e-3*value", "0.001*value"),
        ("same[ policy ]-0.50*same[value]", "same[policy] - 0.5*same[value]"),
        ("logp[taken]-logp[best]", "logp[taken] - logp[best]"),
    ],
)
def test_texts_and_their_canonical_form(text, canonical):
    assert str(parse_target(text)) == canonical


def test_terms_hold_what_was_written():
    target = parse_target("0.5*q[A] - site[s.x][0,3]@t+5")
    assert target.terms == (Term(0.5, "q", "A"), Term(-1.0, "site", "s.x", (0, 3), 5))


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("", 0, "expected a name, at its end"),
        ("q[A] q[B]", 5, "expected [+] or -"),
        ("q[A] -", 6, "expected a name, at its end"),
        ("q[A]*0.5", 4, "expected [+] or -"),
        ("2q[A]", 1, "expected [*] after the number"),
        ("value[3]", 0, "value is written like value"),
        ("value + q", 8, r"q is written like q\[taken\]"),
        ("q[]", 0, "q is written like"),
        ("site[memory.state]", 0, "site is written like"),
        ("site[memory.state][x]", 0, r"the unit \[x\] is written like"),
        ("mean[left]", 0, "number of an action axis"),
        ("value@t-3", 5, "cannot be read, at '@t-3' .character 6"),
        ("0.5*(q[A] - q[B])", 4, "cannot be read"),
        ("1e999*value", 0, "factor is not finite"),
    ],
)
def test_errors_point_at_the_place_and_list_what_is_valid(text, at, says):
    with pytest.raises(BadTarget, match=says) as caught:
        parse_target(text)
    assert caught.value.at == at
    assert "\n" not in str(caught.value)
    assert "direction[ica/3]" in str(caught.value)


def test_only_the_policy_and_the_value_stay_the_same():
    with pytest.raises(UnknownName, match="part of a decision 'q'.*policy, value"):
        parse_target("same[q]")


def test_an_unknown_word_gets_near_matches():
    with pytest.raises(UnknownName, match="Did you mean logit or logp") as caught:
        parse_target("logits[JUMP]")
    assert isinstance(caught.value, PolicyscopeError)
