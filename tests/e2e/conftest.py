"""Real recordings, their pages on disk, and a real Chromium to open them in."""

import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.panel.browser import chromium
from policyscope.panel.export import export_page
from policyscope.recordings.record import record

HIGHWAY = {"embedding": [16, 16], "width": 16, "heads": 4, "decoder": [16]}


@pytest.fixture(scope="session")
def highway_agent() -> Agent:
    """A random agent whose mean Q-values are levelled, so that its actions change."""
    torch.manual_seed(0)
    spec = versioned(EnvSpec("highway/intersection", {"duration": 8}))
    stepper = make(spec, 4)
    net = build_network("ego_attention", HIGHWAY)
    seen = [stepper.start([Start(seed=100 + k) for k in range(4)])]
    seen += [stepper.step([k % 3] * 4).obs for k in range(4)]
    with torch.no_grad():
        net.attention_layer.query_ego.weight *= 20
        net.output_layer.predict.bias -= net(torch.as_tensor(np.concatenate(seen))).mean(0)
    return Agent(net, ("ego_attention", HIGHWAY), "q", stepper.space, env=spec)


@pytest.fixture(scope="session")
def recording(highway_agent, tmp_path_factory):
    folder = tmp_path_factory.mktemp("e2e") / "rec"
    return record(highway_agent, None, 6, 0, ["attention_layer.pattern"], folder)


@pytest.fixture(scope="session")
def changing(recording) -> int:
    """An episode in which the action changes and that lasts at least four steps."""
    for k in range(len(recording)):
        actions = recording.episode(k)["action"].values
        if len(actions) >= 4 and len(set(actions.tolist())) > 1:
            return k
    pytest.fail("the levelled agent never changes its action")


@pytest.fixture(scope="session")
def page_file(recording, tmp_path_factory) -> Path:
    return export_page(recording, tmp_path_factory.mktemp("page") / "page.html").path


@pytest.fixture(scope="session")
def quiet_page_file(highway_agent, tmp_path_factory) -> Path:
    """A page of a recording without attention."""
    folder = tmp_path_factory.mktemp("quiet")
    return export_page(
        record(highway_agent, None, 1, 0, [], folder / "rec"), folder / "p.html"
    ).path


@pytest.fixture(scope="session")
def cartpole_file(tmp_path_factory) -> Path:
    """A page of an environment without entities."""
    folder = tmp_path_factory.mktemp("cartpole")
    torch.manual_seed(0)
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    arguments = {"features": 4, "widths": [8], "actions": 2}
    net = build_network("mlp", arguments)
    agent = Agent(net, ("mlp", arguments), "q", make(spec).space, env=spec)
    return export_page(record(agent, None, 2, 0, [], folder / "rec"), folder / "p.html").path


def without_browser(reason: str) -> NoReturn:
    """Skip, but not in CI, where nobody would see it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def absent():
    return without_browser


@pytest.fixture(scope="session")
def browser():
    try:
        opened = chromium()
        browser = opened.__enter__()
    except PolicyscopeError as error:
        without_browser(str(error))
    yield browser
    opened.__exit__(None, None, None)


@pytest.fixture
def show(browser):
    """Opens an address; at the end fails on any complaint of the browser."""
    pages, complaints = [], []

    def opened(address: str | Path, width: int = 1280, height: int = 800, **options):
        url = address.as_uri() if isinstance(address, Path) else address
        size = {"width": width, "height": height}
        # A value read in the middle of a transition is neither the old one nor the new one.
        page = browser.new_page(viewport=size, reduced_motion="reduce", **options)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: check(asked.url, url))
        page.goto(url)
        page.wait_for_selector("body.ready", state="attached")
        pages.append(page)
        return page

    def check(asked: str, url: str):
        if asked.partition("#")[0] != url.partition("#")[0] and not asked.startswith("data:"):
            complaints.append(f"asked for {asked}")

    yield opened
    for page in pages:
        page.close()
    assert complaints == []
