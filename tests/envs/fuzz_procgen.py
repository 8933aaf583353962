"""Give mutated states to the engine. Usage: fuzz_procgen.py COUNT SEED [unchecked]."""

import sys

import numpy as np

from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.procgen.state import BadState, parse, serialize, with_level
from policyscope.envs.procgen.validate import require_writable

KINDS = (
    ("coinrun", "easy"), ("coinrun", "hard"),
    ("maze", "easy"), ("maze", "hard"), ("maze", "memory"),
)  # fmt: skip
INTEGERS = (-1, 0, 1, 2, 5, 7, 15, 19, 51, 63, 64, 65, 100, 1000, 2**31 - 1, -(2**31))
FLOATS = (np.nan, np.inf, -np.inf, -1e30, 1e30, -1.0, 0.0, 1e-30, 0.5, 3.3, 63.9, 64.1, 1e6)
SLOTS = 16


def flipped(data, random):
    changed = bytearray(data)
    for at in random.integers(0, len(data), random.integers(1, 9)):
        changed[at] = random.integers(0, 256)
    return bytes(changed)


def flipped_outside_of_texts(data, random):
    """Most bytes are digits of random generators; those at both ends are everything else."""
    changed = bytearray(data)
    low = 70 if random.random() < 0.3 else len(data) - 4
    for _ in range(random.integers(1, 4)):
        at = random.integers(0, 70) if low == 70 else random.integers(13_600, len(data))
        changed[at] = random.integers(0, 256)
    return bytes(changed)


def cut_or_grown(data, random):
    if random.random() < 0.5:
        return data[: random.integers(0, len(data))]
    at = random.integers(0, len(data))
    return data[:at] + random.bytes(random.integers(1, 9)) + data[at:]


def with_integer(data, random):
    at = random.integers(0, len(data) - 4)
    value = int(random.choice(INTEGERS))
    return data[:at] + value.to_bytes(4, "little", signed=True) + data[at + 4 :]


def with_value(data, random):
    """One value of one record, of the right type but any size."""
    state = parse(data)
    records = [state.options, state.progress, state.entities, state.motion, state.view, state.tail]
    record = records[random.integers(0, len(records))].reshape(-1)
    name = random.choice(record.dtype.names)
    values = INTEGERS if record.dtype[name].kind == "i" else FLOATS
    record[name][random.integers(0, len(record))] = random.choice(values)
    return serialize(state)


def with_cells(data, random):
    state = parse(data)
    cells = state.grid.reshape(-1)
    codes = (1, 2, 15, 16, 17, 18, 19, 51, 100) if random.random() < 0.9 else INTEGERS
    for _ in range(random.integers(1, 200)):
        cells[random.integers(0, len(cells))] = random.choice(codes)
    return serialize(state)


def with_places(data, random):
    """Everything anywhere in the world, also in walls."""
    state = parse(data)
    side = state.grid.shape[0]
    for name, low, high in (("x", 0, side), ("y", 0, side), ("vx", -2, 2), ("vy", -2, 2)):
        chosen = random.random(len(state.entities)) < 0.3
        state.entities[name][chosen] = random.uniform(low, high, chosen.sum())
    return serialize(state)


def with_entities(data, random):
    state = parse(data)
    rows = random.integers(0, len(state.entities), random.integers(0, 40))
    values = {**vars(state), "entities": state.entities[np.concatenate([[0], rows])].copy()}
    if random.random() < 0.7:
        extra = values["entities"][1:]
        extra["type"][extra["type"] == 0] = random.choice([0, 2, 5, 20, 59])
    return serialize(type(state)(**values))


MUTATIONS = (
    flipped, flipped_outside_of_texts, cut_or_grown, with_integer, with_value, with_value,
    with_cells, with_places, with_places, with_entities,
)  # fmt: skip


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    checked = "unchecked" not in sys.argv
    random = np.random.default_rng(seed)
    engines, written, refused = [], 0, 0
    for game, mode in KINDS:
        engine = Engine(game, SLOTS, engine_options({"mode": mode}))
        for slot in range(SLOTS):
            engine.set_state(slot, with_level(engine.get_state(slot), int(random.integers(10**6))))
        engine.act(np.full(SLOTS, -1))
        engines.append(engine)
    done = 0
    while done < count:
        for engine in engines:
            for slot in range(SLOTS):
                data = engine.get_state(slot)
                mutate = MUTATIONS[done % len(MUTATIONS)]
                mutant, done = mutate(data, random), done + 1
                try:
                    if checked:
                        require_writable(mutant)
                    written += 1
                except BadState:
                    refused += 1
                    continue
                engine.set_state(slot, mutant)
            for _ in range(4):
                engine.act(np.where(random.random(SLOTS) < 0.02, -1, random.integers(0, 15, SLOTS)))
                engine.observe()
    print(written, refused, flush=True)


if __name__ == "__main__":
    main()
