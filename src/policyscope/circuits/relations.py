"""How the other vehicles stand to the ego at each step, from the recorded scene."""

import numpy as np
import pandas as pd
from jaxtyping import Float

SECTORS = ("front", "right", "behind", "left")
RELATIONS = (
    "distance",
    "closest_approach",
    "closest_time",
    "bearing",
    "relative_speed",
    "heading_change",
)
UNITS = {
    "distance": "m",
    "closest_approach": "m",
    "closest_time": "s",
    "bearing": "rad",
    "relative_speed": "m/s",
    "heading_change": "rad",
}


def wrap(angle: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Angles brought into [-pi, pi).

    Example:
        >>> float(wrap(np.array(1.5 * np.pi)) / np.pi)
        -0.5
    """
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def closest_approach(
    offset: Float[np.ndarray, "N 2"], velocity: Float[np.ndarray, "N 2"], horizon: float
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Smallest distance between two points that both keep their velocity.

    Args:
        offset: position of the other minus that of the ego, metres.
        velocity: velocity of the other minus that of the ego, metres per second.
        horizon: how far to look ahead, seconds.

    Returns:
        The smallest distance of the centres within the horizon [m], and when it is reached [s].

    Example:
        >>> d, t = closest_approach(np.array([[10.0, 3.0]]), np.array([[-5.0, 0.0]]), 3.0)
        >>> float(d[0]), float(t[0])
        (3.0, 2.0)
    """
    square = (velocity**2).sum(-1)
    ahead = -(offset * velocity).sum(-1) / np.where(square > 0, square, 1.0)
    time = np.clip(np.where(square > 0, ahead, 0.0), 0.0, horizon)
    return np.linalg.norm(offset + velocity * time[:, None], axis=-1), time


def relations(entities: pd.DataFrame, horizon: float = 3.0) -> pd.DataFrame:
    """Relations of every vehicle to the ego, one row an (episode, step, identity).

    Args:
        entities: recorded scene: episode, step, identity (the ego is 0), x, y [m], heading [rad,
            clockwise from east as seen on the screen], speed [m/s].
        horizon: look-ahead of the predicted closest approach, seconds.

    Returns:
        The columns episode, step, identity and: distance of the centres [m]; closest_approach
        within the horizon at constant velocities [m] and closest_time, when it is reached [s];
        bearing in the ego's frame [rad], 0 ahead, positive to the right; relative_speed, the norm
        of the difference of the velocities [m/s]; heading_change since the previous step [rad] of
        the same identity, NaN where it was not in the scene then.
    """
    table = entities.sort_values(["episode", "identity", "step"], kind="stable")
    table = table.astype(dict.fromkeys(("x", "y", "heading", "speed"), float))
    same = (table["episode"].diff() == 0) & (table["identity"].diff() == 0)
    follows = same & (table["step"].diff() == 1)
    turned = pd.Series(wrap(table["heading"].diff().to_numpy()), table.index).where(follows)
    table = table.assign(
        vx=table["speed"] * np.cos(table["heading"]),
        vy=table["speed"] * np.sin(table["heading"]),
        heading_change=turned,
    )
    keys = ["episode", "step"]
    ego = table.loc[table["identity"] == 0, [*keys, "x", "y", "heading", "vx", "vy"]]
    pairs = table.loc[table["identity"] != 0].merge(ego, on=keys, suffixes=("", "_ego"))
    offset = np.stack([pairs["x"] - pairs["x_ego"], pairs["y"] - pairs["y_ego"]], axis=-1)
    velocity = np.stack([pairs["vx"] - pairs["vx_ego"], pairs["vy"] - pairs["vy_ego"]], axis=-1)
    nearest, time = closest_approach(offset, velocity, horizon)
    angle = np.arctan2(offset[:, 1], offset[:, 0]) - pairs["heading_ego"].to_numpy()
    return pairs[[*keys, "identity"]].assign(
        distance=np.linalg.norm(offset, axis=-1),
        closest_approach=nearest,
        closest_time=time,
        bearing=wrap(angle),
        relative_speed=np.linalg.norm(velocity, axis=-1),
        heading_change=pairs["heading_change"],
    )


def sector(bearing: Float[np.ndarray, "..."]) -> np.ndarray:
    """Index into ``SECTORS`` of a bearing (quarters centred on the axes), -1 for NaN.

    Example:
        >>> [SECTORS[i] for i in sector(np.array([0.0, 1.5, 3.1, -1.5]))]
        ['front', 'right', 'behind', 'left']
    """
    bearing = np.asarray(bearing, dtype=float)
    quarter = np.floor((bearing + np.pi / 4) / (np.pi / 2))
    return np.where(np.isnan(bearing), -1, np.nan_to_num(quarter) % 4).astype(int)
