"""Shapley values of the entities of recorded scenes, each as recorded or taken out of the scene."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.groups import units
from policyscope.attribution.asking.removed import seen_after
from policyscope.attribution.asking.score import INPUT, Decisions, recorded_outputs
from policyscope.attribution.config import MOST_COSTLY, AttributionConfig
from policyscope.attribution.methods.shapley import shapley_values
from policyscope.attribution.methods.told import Told, relative
from policyscope.attribution.results.entity_shares import in_frame, outside
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.progress import tell_progress
from policyscope.core.target_parser import Target
from policyscope.core.targets import evaluate, needed_sites
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.replays.changes import ACTING, SCENERY
from policyscope.recordings.replays.scenes import Scene, scene_at
from policyscope.recordings.replays.worlds import Worlds

#: What the values are compared with.
EMPTY = "the scene without the entities in sight"


def entity_shapley(
    recording: Any,
    agent: Agent,
    target: Target,
    chosen: Chosen,
    config: AttributionConfig,
) -> Told:
    """Share the target's change from an empty scene out over the entities in sight.

    A coalition is the recorded scene with all other players taken out, drawn by the environment and
    seen with the memory as recorded. Who acts, what the scene is made of and who cannot be taken
    out is no player and always stays.

    Args:
        recording: an opened recording, of a world whose scenes can be changed.
        agent: the recorded agent.
        target: a number of the same step.
        chosen: N decisions of it, of vehicles or of frames.
        config: ``samples`` and ``seed`` of the orders where there are more than ``exact`` players,
            10 if it tells none.

    Returns:
        ``attribution`` (N, V - 1, 1), a number for each row of a vehicle but the ego's, or (N, H,
        W), a map over the frame whose sums over the entities' boxes are their values; ``target``,
        ``change``, ``gap``, ``passes`` (scenes drawn at most) and ``error``, 0 where all were
        drawn.

    Raises:
        PolicyscopeError: observations of no entities, a scene that cannot be changed, a target that
            looks ahead, or an odd number of orders.

    Cost: 2^k scenes for a decision with k players whose coalitions are all drawn, otherwise
        ``samples * (k - 1) + 2`` at most, about a millisecond each; the restoring of each
        decision's world.

    Reference: Shapley 1953; Castro et al. 2009.
    """
    parts: list[Told] = []
    worlds = Worlds()
    try:
        for row in range(len(chosen.decisions)):
            tell_progress(row, len(chosen.decisions), "scenes without entities")
            where = int(chosen.episode[row]), int(chosen.step[row])
            with scene_at(recording, *where, worlds) as scene:
                view = _view(recording, chosen, row)
                parts.append(_of_scene(scene, agent, target, chosen, row, view, config))
    finally:
        worlds.close()
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _of_scene(
    scene: Scene, agent: Agent, target: Target, chosen: Chosen, row: int, view: "_View",
    config: AttributionConfig,
) -> Told:  # fmt: skip
    players = [
        who for who, kind in zip(view.identity.tolist(), view.kind.tolist(), strict=True)
        if kind not in (*ACTING, *SCENERY)
        and scene.observe([SceneEdit("remove", who)]) is not None
    ]  # fmt: skip
    game = _Game(scene, agent, target, chosen, row, players)
    most = MOST_COSTLY if config.exact is None else config.exact
    found = shapley_values(game, units((len(players),)), 0.0, config.samples, config.seed, most)
    values = torch.as_tensor(view.shown(dict(zip(players, found.values[0].tolist(), strict=True))))
    return {
        "attribution": values[None], "target": game.worth([(True,) * len(players)]),
        "change": found.change, "gap": found.gap, "passes": found.passes,
        "error": relative(found.error, found.values),
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Game:
    """A decision's target as a function of who is in its scene: numbers 1 for those who are."""

    scene: Scene
    agent: Agent
    target: Target
    chosen: Chosen
    row: int
    players: list[int]
    known: dict[tuple[bool, ...], float] = field(default_factory=dict)
    site: str = INPUT

    @property
    def activation(self) -> Float[Tensor, "1 P"]:
        return torch.ones(1, len(self.players))

    def __call__(self, activation: Float[Tensor, "M P"], rows: Int[Tensor, " M"]) -> Tensor:
        return self.worth([tuple(line) for line in (activation > 0).tolist()])

    def worth(self, coalitions: list[tuple[bool, ...]]) -> Float[Tensor, " M"]:
        """The target with some of the players; each scene is drawn once."""
        new = [one for one in dict.fromkeys(coalitions) if one not in self.known]
        if new:
            seen = torch.from_numpy(np.stack([self._drawn(one) for one in new]))
            self.known.update(zip(new, self._targets(seen).tolist(), strict=True))
        return torch.tensor([self.known[one] for one in coalitions], dtype=torch.float64)

    def _drawn(self, held: tuple[bool, ...]) -> np.ndarray:
        out = [who for who, stays in zip(self.players, held, strict=True) if not stays]
        if not out:
            return self.chosen.decisions.obs[self.row].cpu().numpy()
        edits = [SceneEdit("remove", who) for who in out]
        return seen_after(self.scene, edits, self.chosen, self.row)

    def _one(self) -> Decisions:
        return self.chosen.decisions.rows(torch.tensor([self.row]))

    def _targets(self, seen: Tensor) -> Float[Tensor, " M"]:
        own = self.chosen.decisions.rows(torch.full((len(seen),), self.row))
        obs = seen.to(own.obs)
        asked = Decisions(obs, own.state, own.taken)
        before = recorded_outputs(self.agent, self.target, self._one())
        with torch.no_grad(), capture(self.agent.modules(), needed_sites(self.target)) as sites:
            outputs, _ = self.agent.forward(asked.obs, asked.state)
            found = evaluate(
                self.target, outputs, sites, self.agent.space.actions, asked.taken, recorded=before
            )
        return found.double().cpu()


@dataclass(frozen=True, eq=False)
class _View:
    """Who is in sight at a decision, and where.

    Args:
        identity: (E,) of those in sight.
        kind: (E,) of each.
        slots: (V,) whom each row of vehicles shows; None for a frame.
        covered: (E, H, W) share of each place of the frame that lies in each box.
    """

    identity: Int[np.ndarray, " E"]
    kind: np.ndarray
    slots: Int[np.ndarray, " V"] | None = None
    covered: Float[np.ndarray, "E H W"] | None = None

    def shown(self, values: dict[int, float]) -> Float[np.ndarray, "..."]:
        """Values by identity as numbers of rows, or as a map whose sums over boxes they are."""
        if self.covered is None:
            slots = [] if self.slots is None else self.slots[1:].tolist()
            return np.array([[values.get(who, 0.0)] for who in slots])
        sums = np.array([values.get(who, 0.0) for who in self.identity.tolist()])
        boxes = self.covered.reshape(len(sums), -1)
        # Where boxes overlap sums count a place twice: of all maps with these sums, the smallest.
        flat = np.linalg.lstsq(boxes, sums, rcond=None)[0]
        return flat.reshape(self.covered.shape[1:])


def _view(recording: Any, chosen: Chosen, row: int) -> _View:
    table = recording.entities(int(chosen.episode[row]))
    table = table[table["step"] == chosen.step[row]]
    if chosen.identity is not None:
        slots = chosen.identity[row]
        seen = table[table["identity"].isin(slots[1:][slots[1:] >= 0])]
        return _View(seen["identity"].to_numpy(), seen["kind"].to_numpy(str), slots)
    obs = chosen.decisions.obs
    if obs.dim() != 4 or not recording.scene.get("game") or not recording.scene.get("visible"):
        raise PolicyscopeError(
            "players 'entities' are seen in rows of vehicles or in frames of a game whose scenes "
            "are known: leave out --attribution.players"
        )
    shown, boxes = in_frame(recording.scene, table)
    height, width = obs.shape[1:3]
    covered = np.stack([1 - outside((height, width), box[None]) for box in boxes])
    return _View(shown.identity, shown.kind.astype(str), None, covered)


def without_entities(
    agent: Agent, chosen: Chosen, site: str, config: AttributionConfig, start: Baseline
) -> Baseline:
    """What entities of a scene are compared with: the scene without them.

    Args:
        agent: whose decisions they are.
        chosen: N decisions.
        site: the observation.
        config: method and options.
        start: of units, which are no players.

    Raises:
        PolicyscopeError: another site.
    """
    if site != INPUT:
        raise PolicyscopeError(
            f"entities are players of the observation, not of site '{site}': leave out the site"
        )
    return Baseline({site: torch.zeros(())}, EMPTY)
