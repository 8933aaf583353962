"""Frames handed out stay as they are while anybody can still see them."""

import weakref

import numpy as np
import pytest
import torch

from policyscope.envs.procgen import frames
from policyscope.envs.procgen.frames import Handout

HOLDERS = {
    "the array": lambda array: array,
    "a row": lambda array: array[1],
    "a view of a view": lambda array: array[:, 1:].reshape(-1)[::2],
    "a tensor": torch.from_numpy,
    "a part of a tensor": lambda array: torch.as_tensor(array)[0].permute(0),
    "a buffer": memoryview,
    "a list in a list": lambda array: [[array]],
}


def content(held):
    while isinstance(held, list):
        held = held[0]
    return held.tolist()


def changed(holder, rounds=12):
    """Whether what a holder shows changes while others are handed out."""
    give = Handout()
    held = holder(give.copy_of(np.arange(12.0).reshape(3, 4)))
    before = content(held)
    for k in range(rounds):
        give.copy_of(np.full((3, 4), 100.0 + k))
    return content(held) != before


@pytest.mark.parametrize("name", HOLDERS)
def test_what_is_held_in_any_way_stays(name):
    assert not changed(HOLDERS[name])


def test_a_wrong_count_of_references_would_be_seen(monkeypatch):
    monkeypatch.setattr(frames, "_ONLY_OURS", frames._ONLY_OURS + 1)
    assert changed(HOLDERS["a row"])
    assert changed(HOLDERS["a tensor"])


def test_memory_that_nobody_holds_is_used_again():
    give = Handout()
    first = give.copy_of(np.zeros(8))
    at, gone = first.ctypes.data, weakref.ref(first)
    del first
    again = give.copy_of(np.ones(8))
    assert gone() is again
    assert again.ctypes.data == at
    assert again.tolist() == [1.0] * 8


def test_of_many_that_are_held_few_are_kept():
    give = Handout()
    held = [give.copy_of(np.full(4, float(k))) for k in range(20)]
    assert [array[0] for array in held] == list(range(20))
    assert len(give._given) == frames._KEPT
