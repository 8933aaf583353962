"""Where things stand in the state of a Procgen game, layout 0 (engine 0.10.7, libstdc++).

Values follow one another without padding or names: int32, float32 and flags as int32, little
endian; a string is its length and its bytes; a random generator is a flag and a string.
"""

import numpy as np

VERSION = 0
END = b"\xfe\xca\xfe\xca"


def record(text: str) -> np.dtype:
    """A packed record from ``name`` (int32) and ``name:f`` (float32), in order.

    Example:
        >>> record("x:f type").itemsize
        8
    """
    fields = [name.partition(":") for name in text.split()]
    return np.dtype([(name, "<f4" if kind else "<i4") for name, _, kind in fields])


OPTIONS = record(
    "paint_vel_info use_generated_assets use_monochrome_assets restrict_themes use_backgrounds "
    "center_agent debug_mode distribution_mode use_sequential_levels use_easy_jump plain_assets "
    "physics_mode grid_step level_seed_low level_seed_high game_type game_n"
)
PROGRESS = record(
    "reward:f done level_complete action timeout current_level_seed prev_level_seed "
    "episodes_remaining episode_done last_reward_timer last_reward:f default_action "
    "fixed_asset_seed cur_time is_waiting_for_step"
)
ENTITY = record(
    "x:f y:f vx:f vy:f rx:f ry:f type image_type image_theme render_z will_erase "
    "collides_with_entities collision_margin:f rotation:f vrot:f is_reflected fire_time "
    "spawn_time life_time expire_time use_abs_coords friction:f smart_step avoids_collisions "
    "auto_erase alpha:f health:f theta:f grow_rate:f alpha_decay:f climber_spawn_x:f"
)
MOTION = record(
    "use_procgen_background background_index bg_tile_ratio:f bg_pct_x:f char_dim:f "
    "last_move_action move_action special_action mixrate:f maxspeed:f max_jump:f action_vx:f "
    "action_vy:f action_vrot:f center_x:f center_y:f random_agent_start has_useful_vel_info "
    "step_rand_int"
)
VIEW = record(
    "main_width main_height out_of_bounds_object unit:f view_dim:f x_off:f y_off:f visibility:f "
    "min_visibility:f"
)
TAILS = {
    "coinrun": record(
        "last_agent_y:f wall_theme has_support facing_right is_on_crate gravity:f air_control:f"
    ),
    "maze": record("maze_dim world_dim"),
}

LEVEL_SEEDS = 60
"""Offset of level_seed_low, to which the length of the game's name is added."""

GENERATOR_TEXT = range(1249, 6868)
"""Characters that the 625 numbers of an mt19937 and the spaces between them can have."""

AISC_OPTIONS = 20
"""Bytes of five more options in states of procgenAISC's master branch, whose version is 0 too."""

GAMES = (
    "bigfish", "bossfight", "caveflyer", "chaser", "climber", "coinrun", "dodgeball", "fruitbot",
    "heist", "jumper", "leaper", "maze", "miner", "ninja", "plunder", "starpilot",
)  # fmt: skip
