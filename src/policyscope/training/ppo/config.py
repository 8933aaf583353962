"""Hyperparameters of PPO and its presets; imports no torch."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.training.settings import require_bounds

PRECISIONS = ("float32", "bfloat16")
LAYOUTS = ("contiguous", "channels_last")


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of PPO with clipped objective and generalised advantages.

    Args:
        network: registered name of the network for images; flat observations get perceptrons.
        widths: channels of the network's convolutions, or widths of its perceptrons; empty for
            its own default.
        embedding: width between encoder and memory or heads; 0 for the network's own default.
        memory: numbers that a recurrent network remembers; 0 for the network's own default.
        learned_start: what a recurrent network remembers before its first observation is learned
            too, not zero; of impala_gru.
        unit_variance: scale first weights so that every layer puts out mean 0 and variance 1 on
            what random play sees; for discrete actions.
        lanes: environments in lockstep.
        horizon: steps of every lane in an iteration; also how far gradients go back in time.
        epochs: passes over the steps of an iteration.
        minibatches: updates in an epoch.
        microbatch: rows of one forward and backward pass; gradients are added up to a minibatch.
        gamma: discount per step.
        lam: decay of the generalised advantage estimate.
        truncation_bootstraps: an episode that a step limit cuts goes on in the critic's mind;
            otherwise it ends there, and waiting for the limit is worth nothing.
        lr: learning rate of Adam at the start.
        lr_final: learning rate at the last step; linear between.
        clip: bound on the change of the action's probability, as a ratio.
        value_clip: bound on the change of the value, in units of the reward's scale; 0 for none.
        value_coef: weight of the value loss.
        entropy: weight of the entropy bonus at the start.
        entropy_final: weight of the entropy bonus at the last step; linear between.
        max_grad: bound on the norm of a gradient.
        normalise_reward: measure value errors in standard deviations of the discounted return.
        teacher_weight: weight of the teacher's loss at the start.
        teacher_value: weight of the teacher's value against its policy.
        teacher_steps: environment steps after which the teacher's weight is zero; linear before.
        teacher_focus: how much more its policy counts where it is decided: 0 equally everywhere,
            1 in proportion to how far its entropy lies below the greatest.
        precision: float32, or bfloat16 for matrix products and convolutions.
        layout: contiguous or channels_last, the memory layout of images.
    """

    network: str = "impala"
    widths: tuple[int, ...] = ()
    embedding: int = 0
    memory: int = 0
    learned_start: bool = False
    unit_variance: bool = False
    lanes: int = 64
    horizon: int = 128
    epochs: int = 3
    minibatches: int = 8
    microbatch: int = 256
    gamma: float = 0.999
    lam: float = 0.95
    truncation_bootstraps: bool = True
    lr: float = 5e-4
    lr_final: float = 0.0
    clip: float = 0.2
    value_clip: float = 0.2
    value_coef: float = 0.5
    entropy: float = 0.01
    entropy_final: float = 0.01
    max_grad: float = 0.5
    normalise_reward: bool = True
    teacher_weight: float = 1.0
    teacher_value: float = 0.5
    teacher_steps: int = 0
    teacher_focus: float = 0.0
    precision: str = "bfloat16"
    layout: str = "channels_last"

    def __post_init__(self) -> None:
        require_bounds(self, {
            "lanes": (1, None), "horizon": (1, None), "epochs": (1, None),
            "minibatches": (1, None), "microbatch": (1, None), "gamma": (0, 1), "lam": (0, 1),
            "lr": (0, None), "lr_final": (0, None), "clip": (0, None), "value_coef": (0, None),
            "value_clip": (0, None),
            "entropy": (0, None), "entropy_final": (0, None), "max_grad": (1e-9, None),
            "teacher_weight": (0, None), "teacher_value": (0, None), "teacher_steps": (0, None),
            "teacher_focus": (0, 1), "embedding": (0, None), "memory": (0, None),
        })  # fmt: skip
        if self.learned_start and self.network != "impala_gru":
            raise PolicyscopeError(
                f"network {self.network} learns no start; leave out learned_start, or give "
                "--set network=impala_gru"
            )
        if self.precision not in PRECISIONS:
            raise UnknownName("precision", self.precision, PRECISIONS)
        if self.layout not in LAYOUTS:
            raise UnknownName("layout", self.layout, LAYOUTS)
        if self.batch % self.minibatches:
            raise PolicyscopeError(
                f"training setting minibatches ({self.minibatches}) must divide lanes x horizon "
                f"({self.batch})"
            )

    @property
    def batch(self) -> int:
        """Environment steps in an iteration."""
        return self.lanes * self.horizon

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**asdict(self), "widths": list(self.widths)}


PROCGEN = PPOConfig(truncation_bootstraps=False)

PRESETS = {
    "procgen": PROCGEN,
    "procgen-recurrent": replace(PROCGEN, network="impala_gru", embedding=64, memory=64),
    "classic": PPOConfig(
        network="actor_critic",
        lanes=8,
        epochs=10,
        minibatches=16,
        gamma=0.99,
        lr=3e-4,
        entropy=0.0,
        entropy_final=0.0,
        value_clip=0.0,
        normalise_reward=False,
        precision="float32",
        layout="contiguous",
    ),
}
