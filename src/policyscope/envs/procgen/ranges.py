"""What each value of a state may be: what was met in play, and what edits may make of it.

The engine indexes its pictures by some of these values and loops over cells by others, without
checks, so a value outside of its range can end the process.
"""

import math

import numpy as np

from policyscope.envs.procgen import codes, layout

Ranges = dict[str, tuple[float, float]]
ANY = (-math.inf, math.inf)
FLAG = (0, 1)
LONG = (0, 2**30)


def _only(**values: float) -> Ranges:
    return {name: (value, value) for name, value in values.items()}


OPTIONS: Ranges = {
    **dict.fromkeys(layout.OPTIONS.names or (), (0, 0)),
    **dict.fromkeys(
        [
            "paint_vel_info",
            "use_monochrome_assets",
            "restrict_themes",
            "use_backgrounds",
            "center_agent",
            "grid_step",
        ],
        FLAG,
    ),
    "distribution_mode": (0, 10),
    "level_seed_low": (0, 2**31 - 2),
    "level_seed_high": (1, 2**31 - 1),
    "game_n": (0, 100_000),
}
PROGRESS: Ranges = {
    **dict.fromkeys(["done", "level_complete", "episode_done"], FLAG),
    **dict.fromkeys(["current_level_seed", "prev_level_seed"], (0, 2**31 - 2)),
    **dict.fromkeys(["episodes_remaining", "is_waiting_for_step"], (0, 0)),
    "reward": (0, 1000),
    "action": (-1, 14),
    "timeout": (1, 2**30),
    "last_reward_timer": (0, 10),
    "last_reward": (-1, 1000),
    "default_action": (4, 4),
    "fixed_asset_seed": (-(2**31), 2**31 - 1),
    "cur_time": LONG,
}
_MOTION: Ranges = {
    **dict.fromkeys(["action_vx", "action_vy"], (-1, 1)),
    **dict.fromkeys(["random_agent_start", "has_useful_vel_info"], FLAG),
    **dict.fromkeys(["center_x", "center_y"], (-100, 200)),
    **_only(use_procgen_background=0, bg_tile_ratio=0, char_dim=5, action_vrot=0),
    "bg_pct_x": (0, 1),
    "last_move_action": (0, 8),
    "move_action": (0, 8),
    "special_action": (0, 6),
    "step_rand_int": (0, 999_999),
}
MOTION: dict[str, Ranges] = {
    "coinrun": {
        **_MOTION,
        "background_index": (0, 61),
        **_only(mixrate=0.2, maxspeed=0.5, max_jump=1.5),
    },
    "maze": {
        **_MOTION,
        "background_index": (0, 8),
        **_only(mixrate=0.5, maxspeed=0.5, max_jump=0.5),
    },
}
VIEW: Ranges = {
    **dict.fromkeys(["main_width", "main_height"], (15, 64)),
    **dict.fromkeys(["x_off", "y_off"], (-1e5, 1e5)),
    "out_of_bounds_object": (codes.GROUND, codes.WALL),
    "unit": (0.01, 1000),
    "view_dim": (1, 200),
    "visibility": (8, 64),
    "min_visibility": (0, 0),
}
TAILS: dict[str, Ranges] = {
    "coinrun": {
        **dict.fromkeys(["has_support", "facing_right", "is_on_crate"], FLAG),
        **_only(gravity=0.2, air_control=0.15),
        "last_agent_y": (0, 64),
        "wall_theme": (0, 5),
    },
    "maze": {"maze_dim": (3, 31), "world_dim": (15, 31)},
}
_ENTITY: Ranges = {
    **dict.fromkeys(layout.ENTITY.names or (), (0, 0)),
    **_only(
        rx=0.5, ry=0.5, fire_time=-1, spawn_time=-1, expire_time=-1, friction=1, auto_erase=1,
        health=1, theta=-100, grow_rate=1, alpha_decay=1,
    ),
    **dict.fromkeys(["x", "y"], (0, 64)),
    "collision_margin": (-100, 0),
    "is_reflected": FLAG,
    "life_time": LONG,
    "alpha": (0, 1),
}  # fmt: skip
_MOVING: Ranges = {**dict.fromkeys(["vx", "vy"], (-2, 2)), **_only(render_z=1, smart_step=1)}
ENTITIES: dict[str, dict[int, Ranges]] = {
    "coinrun": {
        codes.PLAYER: {**_ENTITY, **_MOVING, **_only(ry=0.5787), "image_theme": (0, 4)},
        codes.SAW: {**_ENTITY, **_only(type=codes.SAW), "image_type": (2, 3)},
        codes.ENEMY: {
            **_ENTITY,
            **_MOVING,
            **_only(type=codes.ENEMY),
            "image_type": (6, 7),
            "image_theme": (0, 8),
        },
        codes.CRATE: {
            **_ENTITY,
            **_only(type=codes.CRATE, image_type=codes.CRATE),
            "image_theme": (0, 3),
        },
        codes.TRAIL: {
            **_ENTITY,
            **_only(type=codes.TRAIL, image_type=codes.TRAIL, expire_time=8, vy=0.01),
            **_only(grow_rate=1.05, alpha_decay=0.8),
            "rx": (0.29, 0.5),
            "ry": (0.19, 0.35),
            "life_time": (0, 8),
        },
    },
    "maze": {codes.PLAYER: {**_ENTITY, **_MOVING}},
}
GRID = {
    "coinrun": np.array([*codes.CELLS["coinrun"], codes.EMPTY]),
    "maze": np.array([*codes.CELLS["maze"], codes.EMPTY]),
}
WORLDS = {"coinrun": {0: 64, 1: 64}, "maze": {0: 15, 1: 25, 10: 31}}
"""Width and height of the world by game and distribution mode."""
TIMEOUT = {"coinrun": 1000, "maze": 500}
