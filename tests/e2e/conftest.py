"""Recordings of four kinds, a panel that serves them, and a real Chromium to look at it with."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import gymnasium
import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.agents.preprocess import Pixels
from policyscope.agents.store import load_agent
from policyscope.circuits.attention import explain
from policyscope.circuits.config import AttentionConfig
from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import register
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.panel.application import application
from policyscope.panel.browser import chromium
from policyscope.panel.export import export_page
from policyscope.panel.serve import served
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record

expect.set_options(timeout=10_000)  # a busy machine takes its time

HIGHWAY = {"embedding": [16, 16], "width": 16, "heads": 4, "decoder": [16]}
SQUARE = "MovingSquare-v0"
MEMORY = ("impala_gru", {"widths": [4, 4, 4], "embedding": 16, "memory": 24})
SMALL = ("impala", {"widths": [4, 4, 4], "embedding": 16})


def random_agent() -> Agent:
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


def cartpole_agent() -> Agent:
    """A random agent in a world without entities."""
    torch.manual_seed(0)
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    arguments = {"features": 4, "widths": [8], "actions": 2}
    network = ("mlp", arguments)
    return Agent(MLPNetwork(4, (8,), 2), network, "categorical", make(spec).space, env=spec)


class MovingSquare(gymnasium.Env):
    """A bright square on a dark picture, one pixel further to the right at every step."""

    observation_space = gymnasium.spaces.Box(0, 255, (32, 48, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self._picture(), {}

    def step(self, action):
        self.at += 1
        return self._picture(), 1.0, self.at == 12, False, {}

    def _picture(self):
        picture = np.zeros((32, 48, 3), np.uint8)
        picture[12:20, self.at : self.at + 8] = (250, 200, 40)
        return picture


class Looking(nn.Module):
    """Scores two actions from a picture."""

    def __init__(self):
        super().__init__()
        self.predict = nn.Linear(32 * 48 * 3, 2)

    def forward(self, x):
        return {"q": self.predict(x.flatten(1).float() / 255)}


def pixels_agent() -> Agent:
    """A random agent that sees pictures."""
    if SQUARE not in gymnasium.registry:
        gymnasium.register(SQUARE, MovingSquare)
    register("network", "looking", f"{__name__}:Looking")
    torch.manual_seed(0)
    spec = EnvSpec(f"gym:{SQUARE}")
    return Agent(Looking(), ("looking", {}), "q", make(spec).space, env=spec)


def game_agent(game: str, network: tuple[str, dict]) -> Agent:
    """An untrained agent; in CoinRun it mostly goes right, so that it meets something."""
    torch.manual_seed(0)
    spec = versioned(EnvSpec(f"procgen/{game}", {"mode": "easy"}))
    net = build_network(*network)
    with torch.no_grad():
        net.fc_policy.weight *= 5
        net.fc_policy.bias[7:9] += 2.5 if game == "coinrun" else 0
    return Agent(net, network, "categorical", make(spec).space, "sample", Pixels(), env=spec)


@pytest.fixture(scope="session")
def games(tmp_path_factory) -> Path:
    """CoinRun with an agent that remembers, and a game whose objects nobody knows."""
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    folder = tmp_path_factory.mktemp("coinrun") / "games"
    kept = ["gru.gru.memory"]
    record(game_agent("coinrun", MEMORY), None, 2, 20, kept, folder / "coinrun")
    record(game_agent("bigfish", SMALL), None, 1, 0, [], folder / "bigfish")
    return folder


@pytest.fixture(scope="session")
def coinrun(games):
    return open_recording(games / "coinrun")


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """What is served: not to be changed.

    ``rec``: the shipped agent, 6 episodes of seeds 0 to 5, with a result of the method attention.
    ``random``: another agent on the first three of these seeds. ``cartpole``: no entities.
    ``torn``: a recording that cannot be opened.
    """
    folder = tmp_path_factory.mktemp("e2e") / "runs"
    command = "policyscope record highway-ego-attention --episodes 6 --out rec"
    rec = record(load_agent("highway-ego-attention"), None, 6, 0, None, folder / "rec",
                 command=command)  # fmt: skip
    few = AttentionConfig(resamples=100)
    explain(rec, few, "policyscope explain rec").save(folder / "rec" / "explain" / "attention")
    record(random_agent(), None, 3, 0, ["attention_layer.pattern"], folder / "random")
    record(cartpole_agent(), None, 2, 0, None, folder / "cartpole")
    (folder / "torn").mkdir()
    header = (folder / "random" / "recording.json").read_text()
    (folder / "torn" / "recording.json").write_text(header[: len(header) // 2])
    return folder


@pytest.fixture(scope="session")
def rec(runs):
    """The recording of the shipped agent, read in Python."""
    return open_recording(runs / "rec")


@pytest.fixture(scope="session")
def address(runs) -> Iterator[str]:
    """The panel that serves ``runs``."""
    with served(application(runs)) as address:
        yield address


@pytest.fixture
def serve(runs, tmp_path) -> Iterator[Callable[..., tuple[str, Path]]]:
    """Serves copies of some recordings, to be changed; gives the address and the folder."""
    with ExitStack() as stack:

        def start(*names: str) -> tuple[str, Path]:
            folder = tmp_path / "served"
            for name in names:
                shutil.copytree(runs / name, folder / name)
            return stack.enter_context(served(application(folder))), folder

        yield start


@pytest.fixture(scope="session")
def pixels(tmp_path_factory) -> Path:
    """A recording of an agent that sees pictures, in a folder of its own."""
    folder = tmp_path_factory.mktemp("pixels") / "pixels"
    record(pixels_agent(), None, 2, 0, [], folder)
    return folder


@pytest.fixture(scope="session")
def recording(runs):
    """A recording of a random agent."""
    return open_recording(runs / "random")


@pytest.fixture(scope="session")
def folder(recording) -> Path:
    """What a panel is to serve: one recording."""
    return recording.path


@pytest.fixture(scope="session")
def page_file(recording, tmp_path_factory) -> Path:
    """That recording as an exported page."""
    return export_page(recording.path, tmp_path_factory.mktemp("page") / "page.html").path


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


class Visitor:
    """One browser window on a panel; what its console says against it is kept in ``problems``.

    Args:
        page: a page of playwright.
        address: of the panel.
    """

    def __init__(self, page, address: str):
        self.page, self.address = page, address
        self.problems: list[str] = []
        self.asked: list[str] = []
        self.refused: tuple[int, ...] = ()  # statuses that a test asks for
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def _console(self, message) -> None:
        known = [f"the server responded with a status of {status}" for status in self.refused]
        if message.type == "error" and not any(text in message.text for text in known):
            self.problems.append(f"console: {message.text}")

    def goto(self, place: str = "#/"):
        """Open a place of the panel, and wait for its data."""
        self.page.goto(self.address + place)
        self.page.wait_for_selector('body[data-ready="true"]', state="attached")
        return self.page

    def place(self) -> str:
        """The address behind #, once it has come to rest."""
        self.page.wait_for_timeout(400)
        return self.page.evaluate("location.hash")

    def at_rest(self, part) -> dict[str, float]:
        """Where a part is once it has stopped moving: data that come later push it down."""
        seen = None
        for _ in range(60):
            box = part.bounding_box()
            if box is not None and box == seen:
                return box
            seen = box
            self.page.wait_for_timeout(150)
        raise AssertionError(f"{part} does not come to rest")

    def numbers(self, selector: str) -> list[float]:
        """Numbers that the page prints once they are there, with its true minus sign."""
        found = self.page.locator(selector)
        found.first.wait_for()
        texts = found.all_inner_texts()
        return [float(text.replace("\u2212", "-")) for text in texts]

    def at_step(self, step: int) -> None:
        """Wait until a step of the episode is shown."""
        self.page.wait_for_function(
            """(step) => document.querySelector("[data-step-label]")?.textContent
              .includes(`step ${step} of`)""",
            arg=step,
            timeout=3000,
        )

    def came_to(self, place: str) -> None:
        """Wait until the address is this one."""
        self.page.wait_for_function("(place) => location.hash === place", arg=place, timeout=3000)


@pytest.fixture
def visitors(browser, address):
    """Opens windows, each of a browser profile of its own; none may complain."""
    opened = []

    def visit(at: str = "", **look) -> Visitor:
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, reduced_motion="reduce", **look
        )
        context.set_default_timeout(10_000)
        opened.append((context, Visitor(context.new_page(), at or address)))
        return opened[-1][1]

    yield visit
    problems = [problem for _, visitor in opened for problem in visitor.problems]
    for context, _ in opened:
        context.close()
    assert problems == []


@pytest.fixture
def visitor(visitors) -> Visitor:
    """A window on the panel that serves ``runs``."""
    return visitors()
