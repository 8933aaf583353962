"""The wheel: it holds the built page, or it is not built."""

import shutil
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
STATIC = "policyscope/panel/static"
FILES = ("index.html", "panel.js", "panel.css")


@pytest.fixture
def checkout(tmp_path):
    """The least of this project that a wheel is built from, and its page."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    static = tmp_path / "src" / STATIC
    static.mkdir(parents=True)
    (tmp_path / "src/policyscope/__init__.py").write_text("")
    for name in FILES:
        (static / name).write_text(name)
    return tmp_path


def built(folder: Path) -> list[str]:
    (wheel,) = WheelBuilder(str(folder)).build(directory=str(folder / "out"), versions=["standard"])
    return zipfile.ZipFile(wheel).namelist()


def test_a_wheel_holds_the_page(checkout):
    assert {f"{STATIC}/{name}" for name in FILES} <= set(built(checkout))


@pytest.mark.parametrize("name", FILES)
def test_a_wheel_without_the_page_is_not_built(checkout, name):
    (checkout / "src" / STATIC / name).unlink()
    with pytest.raises(SystemExit, match=rf"lacks {name}; first run: make setup"):
        built(checkout)
    with pytest.raises(SystemExit, match="make setup"):
        next(SdistBuilder(str(checkout)).build(directory=str(checkout / "out")))


def test_a_checkout_is_installed_before_its_page_is_built(checkout):
    shutil.rmtree(checkout / "src" / STATIC)
    found = spec_from_file_location("hatch_build", checkout / "hatch_build.py")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    hook = module.PageHook(str(checkout), {}, None, None, str(checkout / "out"), "wheel")
    with pytest.raises(SystemExit):
        hook.initialize("standard", {})
    assert hook.initialize("editable", {}) is None


def test_the_wheel_of_this_checkout_holds_what_make_setup_built(tmp_path):
    builder = WheelBuilder(str(ROOT))
    (wheel,) = builder.build(directory=str(tmp_path), versions=["standard"])
    archive = zipfile.ZipFile(wheel)
    for name in FILES:
        assert archive.read(f"{STATIC}/{name}") == (ROOT / "src" / STATIC / name).read_bytes()
    assert not [name for name in archive.namelist() if not name.startswith("policyscope")]
