"""The pages of attribution: one for every method, with commands and Python that run."""

import ast
import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from policyscope.attribution.config import CAPTUM, METHODS
from policyscope.cli.explain import EXAMPLES, Args, asked
from policyscope.cli.flags import parse
from policyscope.cli.main import main
from policyscope.core.errors import UnknownName

DOCS = Path(__file__).resolve().parents[1] / "docs"
OVERVIEW = DOCS / "attribution.md"
PAGES = sorted((DOCS / "attribution").glob("*.md"))
#: What every page of a method tells, under these heads.
HEADS = ("Equation", "How it is computed", "When it misleads", "Source")
NUMBER = re.compile(r"-?\d+\.\d+")


def text(page):
    return page.read_text(encoding="utf-8")


def fenced(page, kind=""):
    return re.findall(rf"^```{kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def commands(page):
    """What is typed after ``policyscope`` in a page's blocks of commands."""
    lines = [line for block in fenced(page) for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("policyscope ")]


def page_of(method, overview):
    """The page that the overview's table links a method to."""
    found = re.findall(rf"\[`{re.escape(method)}`\]\(attribution/(\w+\.md)\)", overview)
    return DOCS / "attribution" / found[0] if len(found) == 1 else None


def faults(method, overview, read=text):
    """What is wrong with a method's page."""
    page = page_of(method, overview)
    if page is None or not page.is_file():
        return [f"{method} has no page"]
    told = read(page)
    found = [f"{page.name}: {head} is missing" for head in HEADS if f"\n## {head}\n" not in told]
    if "**Cost.**" not in told:
        found.append(f"{page.name}: no cost")
    shown = [line for line in commands(told) if line[0] == "explain" and "--method" in line]
    if not any(line[line.index("--method") + 1] == method for line in shown):
        found.append(f"{page.name}: no command of {method}")
    return found


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_page(method):
    assert faults(method, text(OVERVIEW)) == []


def test_a_page_that_lacks_something_is_noticed():
    overview = text(OVERVIEW)
    assert faults("gradient", overview.replace("gradient.md", "slope.md")) == [
        "gradient has no page"
    ]
    assert faults("gradient", overview, lambda p: text(p).replace("## Source", "## From")) == [
        "gradient.md: Source is missing"
    ]
    assert faults("sarfa", overview, lambda p: text(p).replace("od sarfa", "od blur")) == [
        "sarfa.md: no command of sarfa"
    ]


def test_the_overview_links_every_page_and_no_other():
    linked = set(re.findall(r"\(attribution/(\w+\.md)\)", text(OVERVIEW)))
    assert linked == {page.name for page in PAGES}


@pytest.mark.parametrize("page", [OVERVIEW, *PAGES], ids=lambda page: page.stem)
def test_every_command_can_be_asked(page):
    told = text(page)
    explained = [line[1:] for line in commands(told) if line[0] == "explain"]
    assert explained
    for line in explained:
        asked(parse(Args, line, "explain", EXAMPLES))


def test_a_command_with_a_wrong_name_is_noticed():
    wrong = text(DOCS / "attribution/captum.md").replace(f"{CAPTUM}DeepLift ", f"{CAPTUM}Deep ")
    args = parse(Args, commands(wrong)[0][1:], "explain", EXAMPLES)
    with pytest.raises(UnknownName, match="DeepLift"):
        asked(args)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([\w./-]+)\)", text(page)):
        assert (page.parent / link).is_file(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_is_python(page):
    for code in fenced(text(page), "python"):
        ast.parse(code)


def printed(page):
    """What a page's Python puts out."""
    out, space = io.StringIO(), {}
    with contextlib.redirect_stdout(out):
        for code in fenced(page, "python"):
            exec(compile(code, "page", "exec"), space)
    return out.getvalue()


def same(one, other):
    """Whether two texts say the same, numbers as printed up to a twentieth."""
    numbers = [[float(n) for n in NUMBER.findall(told)] for told in (one, other)]
    words = [NUMBER.sub("", told).split() for told in (one, other)]
    return words[0] == words[1] and numbers[0] == pytest.approx(numbers[1], rel=0.05, abs=0.01)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The overview's two recordings; that of CoinRun only where its engine is."""
    folder = tmp_path_factory.mktemp("docs")
    with contextlib.chdir(folder):
        for line in commands(text(OVERVIEW)):
            if line[0] != "record":
                continue
            with contextlib.suppress(ImportError):
                main(line)
    return folder


@pytest.mark.slow  # 40 s
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "page", [p for p in PAGES if fenced(text(p), "text")], ids=lambda page: page.stem
)
def test_the_python_of_a_page_puts_out_what_the_page_says(recordings, page):
    told = text(page)
    if "runs/coin" in "".join(fenced(told, "python")):
        pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    if page.stem == "captum":
        pytest.importorskip("captum")
    with contextlib.chdir(recordings):
        found = printed(told)
    expected = "".join(fenced(told, "text"))
    assert same(found, expected), found
    first = NUMBER.search(expected)
    assert not same(found, expected.replace(first[0], str(float(first[0]) + 0.5), 1))
