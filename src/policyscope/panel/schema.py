"""The data of a page, as it stands in the file: the contract between recordings and pages.

Everything of row t is the state that decided: scene, attention and Q-values before the step, the
action chosen from them, and then the reward it brought.
"""

from dataclasses import asdict, dataclass
from typing import Any

from policyscope.panel.summary import Summary

SCHEMA = 1


@dataclass(frozen=True)
class Track:
    """One entity through an episode.

    Args:
        identity: constant through the episode; ego is 0.
        kind: ego, vehicle, ...; empty where the scene was not recorded.
        length: metres; None where the scene was not recorded, as all that follows but ``steps``.
        width: metres.
        steps: (S,) steps at which it is in the scene or in the observation.
        x: (S,) metres east.
        y: (S,) metres south.
        heading: (S,) radians clockwise from east.
        speed: (S,) metres per second.
        row: (S,) row of the observation that shows it, -1 where none does.
        attention: (S, K) weight of each head on it, 0 where no row shows it; None without
            attention.
    """

    identity: int
    kind: str
    length: float | None
    width: float | None
    steps: list[int]
    x: list[float] | None
    y: list[float] | None
    heading: list[float] | None
    speed: list[float] | None
    row: list[int]
    attention: list[list[float]] | None


@dataclass(frozen=True)
class EpisodePage:
    """One episode of T steps.

    Args:
        episode: its number in the recording.
        seed: seed it began from; None where it began otherwise.
        outcome: why it ended.
        total: undiscounted return.
        action: (T,) numbers of the executed actions, or (T, D) values of continuous ones.
        forced: steps at which another action than the policy's was executed.
        reward: (T,).
        outputs: (T,) or (T, A) values by output name.
        observation: (T, F) of a short flat observation, else None.
        entities: tracks in the order of their identities.
        absent: (T, K) attention on rows that show no entity; None without attention.
    """

    episode: int
    seed: int | None
    outcome: str
    total: float
    action: list[Any]
    forced: list[int]
    reward: list[float]
    outputs: dict[str, list[Any]]
    observation: list[list[float]] | None
    entities: list[Track]
    absent: list[list[float]] | None


@dataclass(frozen=True)
class PageData:
    """All that the page shows.

    Args:
        schema: version of this contract.
        agent: name of the agent.
        env: EnvSpec as JSON.
        act: acting mode.
        actions: names of the actions; empty where they are continuous.
        outputs: names of the outputs shown; the first is the one that decides.
        site: the attention pattern shown, None without.
        heads: number of heads K.
        features: names of a short flat observation, else empty.
        scene: road geometry as the lane gave it; None without.
        summary: return and outcomes over all episodes of the recording.
        commands: lines that make this page, by front door.
        provenance: where the recording comes from.
        episodes: those on the page.
    """

    schema: int
    agent: str
    env: dict[str, Any]
    act: str
    actions: list[str]
    outputs: list[str]
    site: str | None
    heads: int
    features: list[str]
    scene: dict[str, Any] | None
    summary: Summary
    commands: dict[str, str]
    provenance: dict[str, Any]
    episodes: list[EpisodePage]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)
