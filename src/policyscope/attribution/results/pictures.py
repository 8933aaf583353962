"""Pictures of what frames are compared with."""

from typing import Any

import numpy as np

from policyscope.agents.agent import Agent
from policyscope.agents.preprocess import Pixels
from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.score import INPUT


def baseline_frames(
    agent: Agent, chosen: Chosen, site: str, name: str, baseline: Baseline
) -> dict[str, Any]:
    """The baseline of each decision as a frame, where it can be shown as one.

    Args:
        agent: whose observations are frames.
        chosen: N decisions.
        site: what is attributed to.
        name: of the baseline; zero is a black frame and not told.
        baseline: of the decisions.

    Returns:
        ``baseline_frame`` (row, frame_y, frame_x, colour) uint8; nothing for zero, for other
        observations, or where the baseline of a hidden site is no frame.
    """
    obs = chosen.decisions.obs.cpu().numpy()
    if obs.dtype != np.uint8 or obs.ndim != 4 or obs.shape[-1] != 3 or name == "zero":
        return {}
    if baseline.there is not None:
        frames = baseline.there.obs.cpu().numpy()
    elif site == INPUT and isinstance(agent.preprocess, Pixels):
        values = baseline.values[INPUT].detach().cpu().movedim(1, -1).numpy()
        frames = np.clip(np.round(values * agent.preprocess.divisor), 0, 255).astype(np.uint8)
    else:
        return {}
    return {
        "baseline_frame": (
            ("row", "frame_y", "frame_x", "colour"), np.broadcast_to(frames, obs.shape).copy()
        )
    }  # fmt: skip
