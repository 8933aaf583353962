import pytest

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError, UnknownName
from policyscope.core.registry import find, names, register


def test_unknown_name_gives_near_matches_and_the_valid_ones_in_one_line():
    error = UnknownName("action", "FASTR", ["SLOWER", "IDLE", "FASTER"])
    assert str(error) == (
        "unknown action 'FASTR'. Did you mean FASTER? Valid: FASTER, IDLE, SLOWER."
    )
    assert isinstance(error, PolicyscopeError)
    assert "Valid: none." in str(UnknownName("action", "x", []))
    assert " and 10 more." in str(UnknownName("site", "x", [f"s{i}" for i in range(30)]))


def test_missing_part_and_bad_file_name_the_mend():
    assert "pip install 'policyscope[video]'" in str(MissingPart("av", "video"))
    assert str(BadFile("run/a.json", "no such file", "check")) == "run/a.json: no such file (check)"


@pytest.fixture
def entry():
    from policyscope.core import registry

    register("test kind", "thing", "math:sqrt")
    yield
    registry._ENTRIES.pop("test kind")


@pytest.mark.usefixtures("entry")
def test_registry_finds_lazily_and_refuses_a_second_entry():
    assert find("test kind", "thing")(9) == 3
    assert names("test kind") == ["thing"]
    register("test kind", "thing", "math:sqrt")
    with pytest.raises(PolicyscopeError, match="already registered as math:sqrt"):
        register("test kind", "thing", "math:cos")
    with pytest.raises(UnknownName, match="Did you mean thing"):
        find("test kind", "thin")
    with pytest.raises(UnknownName):
        find("no such kind", "thing")
