"""The contract as it stands in the files that the page is built from."""

import json
import re
import subprocess
import sys
from pathlib import Path

from policyscope.panel.openapi import contract

WEB = Path(__file__).resolve().parents[2] / "web"


def test_the_pages_contract_is_the_servers():
    stands = (WEB / "openapi.json").read_text(encoding="utf-8")
    assert stands == contract(), "web/openapi.json is out of date; run: make types"


def test_every_answer_has_a_message_of_the_contract():
    values = json.loads(contract())
    assert {"Problem", "EpisodeDetail", "LiveAnswer"} <= set(values["components"]["schemas"])
    for path, methods in values["paths"].items():
        for method, route in methods.items():
            good = next(a for status, a in route["responses"].items() if status < "300")
            bare = path.endswith("/arrays")
            assert bool(good.get("content", {}).get("application/json")) != bare, (method, path)


def test_the_contract_names_no_place_of_this_machine():
    assert str(WEB.parent) not in contract()
    assert "/tmp" not in contract()


def test_it_is_written_by_the_command_that_make_types_runs(tmp_path):
    out = tmp_path / "openapi.json"
    command = [sys.executable, "-m", "policyscope.panel.openapi", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=50)
    assert out.read_text(encoding="utf-8") == contract()


def test_the_lock_file_names_no_registry():
    """npm takes packages from the registry that is set where it runs, checked by their digests."""
    text = (WEB / "package-lock.json").read_text(encoding="utf-8")
    lock = json.loads(text)
    entries = {name: entry for name, entry in lock["packages"].items() if name}
    assert not [name for name, entry in entries.items() if "resolved" in entry]
    assert all(entry["integrity"].startswith("sha512-") for entry in entries.values())
    for entry in entries.values():
        entry.pop("funding", None)
    assert re.findall(r"\w+://[^\"]*", json.dumps(lock)) == []


def test_the_pages_packages_are_pinned():
    named = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    locked = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert locked[""]["devDependencies"] == named
    for name, version in named.items():
        assert locked[f"node_modules/{name}"]["version"] == version
