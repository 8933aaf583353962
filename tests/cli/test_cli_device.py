"""Which torch device a command runs on."""

import pytest

from policyscope.cli.device import choose_device
from policyscope.core.errors import PolicyscopeError


@pytest.mark.parametrize(
    ("cuda", "mps", "fastest"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_there_is_and_an_absent_one_is_told(monkeypatch, cuda, mps, fastest):
    there = {"cpu": True, "cuda": cuda, "mps": mps}
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: mps)
    assert choose_device("auto") == fastest
    for name, found in there.items():
        if found:
            assert choose_device(name) == name
        else:
            with pytest.raises(PolicyscopeError, match=f"no {name} device here; use --device auto"):
                choose_device(name)


def test_a_name_that_is_no_device_is_told():
    with pytest.raises(PolicyscopeError, match="no tpu device here"):
        choose_device("tpu")
