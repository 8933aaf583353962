"""What the numbers in entities and grid cells mean."""

PLAYER = 0
WALL = 51
TRAIL = 59
EMPTY = 100

COIN = 1
SAW = 2
ENEMY = 5
GROUND = 15
GROUND_TOP = 16
LAVA = 17
LAVA_TOP = 18
BARRIER = 19
CRATE = 20

CHEESE = 2

CELLS: dict[str, dict[int, str]] = {
    "coinrun": {
        COIN: "coin",
        GROUND: "wall",
        GROUND_TOP: "wall",
        LAVA: "lava",
        LAVA_TOP: "lava",
        BARRIER: "barrier",
    },
    "maze": {CHEESE: "cheese", WALL: "wall"},
}
"""Grid codes that stand for something, by game."""

OBJECTS: dict[str, dict[int, str]] = {
    "coinrun": {
        PLAYER: "player",
        SAW: "saw",
        ENEMY: "enemy",
        CRATE: "crate",
        TRAIL: "trail",
    },
    "maze": {PLAYER: "mouse"},
}
"""Entity types, by game."""

SOLID = {"coinrun": (GROUND, GROUND_TOP), "maze": (WALL,)}
"""Grid codes nothing can stand in."""

GOAL = {"coinrun": COIN, "maze": CHEESE}
