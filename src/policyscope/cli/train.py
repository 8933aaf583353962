"""``policyscope train``: train an agent."""

import sys
from collections.abc import Callable, Sequence

from policyscope.cli.loading import leaving_at_once
from policyscope.core.errors import UnknownName

EXAMPLES = """usage: policyscope train ALGORITHM ...

Train an agent; the run's folder is a loadable agent from its first second.

algorithms:
  dqn   double DQN, for discrete actions and rows or flat vectors (the intersection, CartPole)
  ppo   proximal policy optimisation, for images and flat vectors, with memory and with a teacher

examples:
  policyscope train dqn --preset fast --steps 100000 --seed 0 --out runs/fast-0
  policyscope train ppo --env procgen/coinrun --levels 0:100000 --steps 1000000 --out runs/coinrun
  policyscope train ppo --help
"""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope train``."""
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(EXAMPLES)
        return 0
    with leaving_at_once("interrupted before the training began"):
        return _algorithm(argv[0])(argv[1:])


def _algorithm(name: str) -> Callable[[Sequence[str]], int]:
    if name == "dqn":
        from policyscope.cli.train_dqn import main as run
    elif name == "ppo":
        from policyscope.cli.train_ppo import main as run
    else:
        raise UnknownName("algorithm", name, ["dqn", "ppo"])
    return run
