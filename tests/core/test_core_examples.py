import doctest
from importlib import import_module
from pathlib import Path

import pytest

import policyscope.core

MODULES = sorted(p.stem for p in Path(policyscope.core.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = import_module(f"policyscope.core.{name}")
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    modules = [import_module(f"policyscope.core.{name}") for name in MODULES]
    assert sum(bool(t.examples) for m in modules for t in finder.find(m)) >= 10
