"""Tracks that every recording has: what the agent put out, what it got, what stood around it."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from policyscope.core.target_parser import parse_target
from policyscope.envs.actions import NOTHING, idle_actions
from policyscope.envs.entities import scene_units
from policyscope.envs.procgen.objects import SCENERY
from policyscope.panel.contract.recording import TrackInfo
from policyscope.panel.shelf.environment import large, picture_view
from policyscope.panel.views.quantities import Quantity, of_target
from policyscope.recordings.arrays.steps import Steps
from policyscope.recordings.read import Recording

Number = Callable[[Steps], np.ndarray]

MOST_LISTED, MOST_SHOWN = 64, 12
"""Numbers of an observation that have tracks; and that are shown where there is no scene."""


def built_in(recording: Recording) -> list[Quantity]:
    """Tracks of a recording that need no method, in the order in which a page lists them.

    Args:
        recording: an opened recording.

    Cost: computes nothing.
    """
    found = [*_scores(recording), *_reward(), *_agreement(recording)]
    if recording.scene and (picture_view(recording) or not large(recording)):
        found += _surroundings(recording)
    return [*found, *_observation(recording), *_attention(recording)]


def patterns(recording: Recording) -> list[str]:
    """Recorded attention patterns (H, 1, R) over the R rows of the observation.

    Args:
        recording: an opened recording.
    """
    rows = len(recording.space.rows)
    return [
        name
        for name, shape in recording.sites.items()
        if rows and name.split(".")[-1] == "pattern" and len(shape) == 3
        and tuple(shape[1:]) == (1, rows)
    ]  # fmt: skip


def _scored(recording: Recording) -> str | None:
    """The output that scores each action: q or logits; None without."""
    actions = len(recording.space.actions)
    for name in ("q", "logits"):
        if actions and tuple(recording.outputs.get(name, ())) == (actions,):
            return name
    return None


def _scores(recording: Recording) -> list[Quantity]:
    decides, outputs = _scored(recording), recording.outputs
    found = []
    if decides == "q":
        found += _each(recording, "q", "return", "q", True)
    if decides == "logits":
        found += _probabilities(recording)
        found += _each(recording, "logit", "logit", "logits", False)
    if decides == "q" or "value" in outputs:
        group = "q" if decides == "q" and "value" not in outputs else "value"
        found.append(_target(recording, "value", "value", "return", group, decides != "q"))
    if decides and len(recording.space.actions) > 1:
        unit = "return" if decides == "q" else "nats"
        found.append(_quantity("margin", partial(_margin, decides), unit))
    if "mean" in outputs:
        size = int(np.prod(outputs["mean"]))
        for i in range(size):
            shown = size <= MOST_SHOWN
            found.append(_target(recording, f"mean[{i}]", f"mean[{i}]", "", "action", shown))
            found.append(_quantity(f"action[{i}]", partial(_action, i), "", "action"))
    if decides == "logits" or {"mean", "log_std"} <= set(outputs):
        found.append(_target(recording, "entropy", "entropy", "nats"))
    return found


def _probabilities(recording: Recording) -> list[Quantity]:
    """The probability of each action; those that do nothing are shown as one."""
    names, nothing = (
        list(recording.space.actions),
        idle_actions(recording.env.id, recording.space.actions),
    )
    found = []
    if nothing:
        number = partial(_probability, [names.index(name) for name in nothing])
        found.append(_quantity(f"p[{NOTHING}]", number, "probability", "probability", True))
    for i, name in enumerate(names):
        number, shown = partial(_probability, [i]), name not in nothing
        found.append(_quantity(f"p[{name}]", number, "probability", "probability", shown))
    return sorted(found, key=lambda one: not one.info.shown)


def _each(recording: Recording, kind: str, unit: str, group: str, shown: bool) -> list[Quantity]:
    """A quantity for each action, called as a target would call it."""
    return [
        _target(recording, f"{kind}[{name}]", f"{kind}[{i}]", unit, group, shown)
        for i, name in enumerate(recording.space.actions)
    ]


def _reward() -> list[Quantity]:
    return [
        _quantity("reward", lambda steps: steps.column("reward"), "reward", shown=True),
        _quantity("return to go", _return_to_go, "return"),
    ]


def _agreement(recording: Recording) -> list[Quantity]:
    found = [_event("forced action", _forced)]
    decides = _scored(recording)
    if decides:
        found.append(_event("not the greedy action", partial(_not_greedy, decides)))
    for name in ("terminated", "truncated"):
        found.append(_event(name, partial(_column, name)))
    return found


def _surroundings(recording: Recording) -> list[Quantity]:
    length, speed = scene_units(recording.env.id)
    ego = "player" if picture_view(recording) else "ego"
    return [
        _quantity(f"{ego} speed", _ego_speed, speed),
        _quantity("nearest entity", _nearest, length),
    ]


def _observation(recording: Recording) -> list[Quantity]:
    """The numbers of an observation that is one short vector."""
    space = recording.space
    if len(space.obs_shape) != 1 or space.obs_shape[0] > MOST_LISTED:
        return []
    size = space.obs_shape[0]
    known = len(set(space.features)) == size
    names = list(space.features) if known else [str(i) for i in range(size)]
    shown = size <= MOST_SHOWN and not recording.scene
    return [
        _quantity(f"observation[{name}]", partial(_seen, i), "", "observation", shown)
        for i, name in enumerate(names)
    ]


def _attention(recording: Recording) -> list[Quantity]:
    found = []
    sites = patterns(recording)
    for site in sites:
        of = f" of {site}" if len(sites) > 1 else ""
        for head in range(recording.sites[site][0]):
            number = partial(_attention_entropy, site, head)
            group = f"attention entropy{of}"
            found.append(_quantity(f"attention entropy{of}[{head}]", number, "nats", group))
    return found


def _quantity(
    name: str,
    of: Number,
    unit: str,
    group: str = "",
    shown: bool = False,
    kind: Literal["line", "event"] = "line",
) -> Quantity:
    info = TrackInfo(
        name=name, unit=unit, group=group or name, kind=kind, shown=shown, source="recording"
    )
    return Quantity(info, of)


def _event(name: str, of: Number) -> Quantity:
    return _quantity(name, of, "", kind="event")


def _target(
    recording: Recording, name: str, text: str, unit: str, group: str = "", shown: bool = False
) -> Quantity:
    target, actions = parse_target(text), recording.space.actions
    return _quantity(name, lambda steps: of_target(target, actions, steps), unit, group, shown)


def _column(name: str, steps: Steps) -> np.ndarray:
    return steps.column(name)


def _action(axis: int, steps: Steps) -> np.ndarray:
    action = steps.column("action")
    return action.reshape(len(action), -1)[:, axis]


def _seen(number: int, steps: Steps) -> np.ndarray:
    return steps.column("obs")[:, number]


def _probability(actions: list[int], steps: Steps) -> np.ndarray:
    logits = steps.column("logits").astype(float)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers[:, actions].sum(1) / powers.sum(1)


def _margin(output: str, steps: Steps) -> np.ndarray:
    """Best minus second best: all Q-values of a state move together, their difference decides."""
    ordered = np.sort(steps.column(output).astype(float), axis=1)
    second = ordered[:, -2]
    return np.where(np.isfinite(second), ordered[:, -1] - second, np.nan)


def _return_to_go(steps: Steps) -> np.ndarray:
    reward = steps.column("reward").astype(float)
    after = np.cumsum(reward[::-1])[::-1]
    ends = np.flatnonzero(np.append(steps.episode[1:] != steps.episode[:-1], True))
    beyond = np.append(after, 0.0)[ends + 1]
    lengths = np.diff(np.append(-1, ends))
    return after - np.repeat(beyond, lengths)


def _forced(steps: Steps) -> np.ndarray:
    differs = steps.column("action") != steps.column("policy_action")
    return differs.reshape(len(differs), -1).any(1)


def _not_greedy(output: str, steps: Steps) -> np.ndarray:
    return steps.column("action") != steps.column(output).argmax(1)


def _ego_speed(steps: Steps) -> np.ndarray:
    return _of_ego(steps, "speed")


def _nearest(steps: Steps) -> np.ndarray:
    """From the ego's centre to the centre of the nearest other entity, walls and lava left out."""
    table = steps.entities
    others = (table["identity"] != 0) & (table["identity"] < SCENERY)
    at = table["at"][others]
    east = table["x"][others] - _of_ego(steps, "x")[at]
    south = table["y"][others] - _of_ego(steps, "y")[at]
    least = np.full(len(steps), np.inf)
    np.minimum.at(least, at, np.nan_to_num(np.hypot(east, south), nan=np.inf))
    return np.where(np.isfinite(least), least, np.nan)


def _of_ego(steps: Steps, column: str) -> np.ndarray:
    table = steps.entities
    ego = table["identity"] == 0
    values = np.full(len(steps), np.nan)
    values[table["at"][ego]] = table[column][ego]
    return values


def _attention_entropy(site: str, head: int, steps: Steps) -> np.ndarray:
    weights = steps.column(f"sites/{site}")[:, head, 0].astype(float)
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return -(weights * logs).sum(1)
