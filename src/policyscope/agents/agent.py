"""Agent: a network and how to step it, unroll it and read its names."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from policyscope.agents.build import build_network
from policyscope.agents.heads import Outputs, RowNoise, choose
from policyscope.agents.memory import begin_anew, stack_states
from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import find
from policyscope.core.sites import Site, leaf_modules, list_sites
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space


@dataclass(frozen=True)
class Decision:
    """What an agent decides for a batch of N observations.

    Args:
        action: (N,) or (N, D), continuous ones clipped to their bounds.
        logp: (N,) log-probability of the action, before clipping, under the acting mode.
        outputs: everything the network put out, by name, batch first.
        state: memory after the decision; None for an agent without memory.
    """

    action: Tensor
    logp: Tensor
    outputs: Outputs
    state: Any


@dataclass
class Agent:
    """A torch network, how to act with it, and the names of what it sees and does.

    Args:
        net: an ordinary module. Without memory: observation -> outputs. Recurrent
            (``net.recurrent`` is true): (observation, state) -> (outputs, state), with
            ``net.initial_state(n)``: a tensor or tuples, lists and dicts of them, (N, ...) each. It
            may split its forward into ``encode(observation)`` and ``recall(encoded, state)``, so
            that unrolling encodes all rows in one pass.
        network: registered name of the network and its constructor arguments.
        head: how outputs become an action: q, categorical or gaussian.
        space: shapes and names of observations and actions.
        acting: greedy or sample, the mode in which the agent is meant to act.
        preprocess: module applied to every observation (scaling, layout); itself a site.
        env: the environment it was made for.
        card: where it comes from and how good it is, JSON values.
        initial: the run's own initial weights, where they are known.
    """

    net: nn.Module
    network: tuple[str, dict[str, Any]]
    head: str
    space: Space
    acting: str = "greedy"
    preprocess: nn.Module = field(default_factory=nn.Identity)
    env: EnvSpec | None = None
    card: dict[str, Any] = field(default_factory=dict)
    initial: dict[str, Tensor] | None = None

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.net.parameters())
        where = f", {self.env.id}" if self.env else ""
        return f"<Agent {self.network[0]}: {size:,} parameters, {self.head}, {self.acting}{where}>"

    @property
    def recurrent(self) -> bool:
        """Whether the agent carries memory from step to step."""
        return bool(getattr(self.net, "recurrent", False))

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.net.parameters()).device

    def modules(self) -> dict[str, nn.Module]:
        """Leaf modules by site name: ``preprocess`` and those of the network."""
        return {"preprocess": self.preprocess, **leaf_modules(self.net)}

    def example(self, rows: int = 1) -> Tensor:
        """Observations of ones, (rows, ...), for tracing shapes."""
        dtype = getattr(torch, self.space.obs_dtype)
        return torch.ones(rows, *self.space.obs_shape, dtype=dtype, device=self.device)

    def sites(self) -> dict[str, Site]:
        """Sites by name, in the order in which they fire."""
        return list_sites(self.modules(), lambda: self.forward(self.example(), None))

    def initial_state(self, rows: int) -> Any:
        """Memory at the first row of an episode; None without memory."""
        net: Any = self.net
        return net.initial_state(rows) if self.recurrent else None

    def forward(self, obs: Tensor, state: Any) -> tuple[Outputs, Any]:
        """One forward pass: outputs by name and the memory after it.

        Args:
            obs: (N, ...) as the environment gives it.
            state: memory before; None stands for the initial one.
        """
        x = self.preprocess(obs)
        if not self.recurrent:
            return self._named(self.net(x)), None
        state = self.initial_state(len(obs)) if state is None else state
        outputs, state = self.net(x, state)
        return self._named(outputs), state

    def _named(self, outputs: Tensor | Outputs) -> Outputs:
        if isinstance(outputs, dict):
            return outputs
        return {{"q": "q", "categorical": "logits", "gaussian": "mean"}[self.head]: outputs}

    def act(
        self,
        obs: Tensor | np.ndarray,
        state: Any = None,
        *,
        sample: bool | None = None,
        generator: RowNoise | torch.Generator | None = None,
    ) -> Decision:
        """Decide for a batch of observations; depends on the arguments alone.

        Args:
            obs: (N, ...) as the environment gives it.
            state: memory before; None stands for the initial one.
            sample: draw from the policy; default is the agent's own acting mode.
            generator: source of the draws.

        Raises:
            PolicyscopeError: the observation has another shape than the agent was made for.
        """
        obs = torch.as_tensor(obs, device=self.device)
        if tuple(obs.shape[1:]) != tuple(self.space.obs_shape):
            raise PolicyscopeError(
                f"the agent expects observations of shape {tuple(self.space.obs_shape)}, "
                f"got {tuple(obs.shape[1:])}"
            )
        outputs, state = self.forward(obs, state)
        sample = self.acting == "sample" if sample is None else sample
        action, logp = choose(self.head, outputs, sample, generator)
        return Decision(self._bounded(action), logp, outputs, state)

    def _bounded(self, action: Tensor) -> Tensor:
        """A continuous action within its bounds; its log-probability stays that of the draw."""
        if self.head != "gaussian" or not self.space.action_low:
            return action
        low, high = self.space.action_low, self.space.action_high
        return action.clamp(action.new_tensor(low), action.new_tensor(high))

    def unroll(self, obs: Tensor, state: Any, first: Bool[Tensor, "T B"]) -> tuple[Outputs, Any]:
        """Outputs over a stretch of time, differentiable and equal to a loop of ``act``.

        Args:
            obs: (T, B, ...) observations.
            state: memory before the first row; None stands for the initial one.
            first: rows at which an episode begins: memory is reset there.

        Returns:
            Outputs (T, B, ...) by name, and the states after each row, stacked over T (None
            without memory).
        """
        steps, batch = obs.shape[:2]
        if not self.recurrent:
            outputs, _ = self.forward(obs.flatten(0, 1), None)
            return {k: v.unflatten(0, (steps, batch)) for k, v in outputs.items()}, None
        state = self.initial_state(batch) if state is None else state
        step, inputs = self.stepwise(obs)
        rows, states = [], []
        # Unbound at once: the gradient of T selections would take time that grows with T squared.
        for row, begins in zip(inputs.unbind(), first.unbind(), strict=True):
            state = begin_anew(state, self.initial_state(batch), begins)
            outputs, state = step(row, state)
            rows.append(outputs)
            states.append(state)
        return {k: torch.stack([r[k] for r in rows]) for k in rows[0]}, stack_states(states)

    def stepwise(self, obs: Tensor) -> tuple[Callable[[Tensor, Any], tuple[Outputs, Any]], Tensor]:
        """What to do at each row, and to what: parts without memory run for all rows at once.

        Args:
            obs: (T, B, ...) observations.

        Returns:
            A function (what was taken in (B, ...), memory) -> (outputs, memory), and what each row
            takes in, (T, B, ...).
        """
        net: Any = self.net
        if not hasattr(net, "encode"):
            return self.forward, obs
        encoded = net.encode(self.preprocess(obs.flatten(0, 1)))
        return net.recall, encoded.unflatten(0, obs.shape[:2])

    def with_weights(self, weights: dict[str, Tensor]) -> "Agent":
        """The same agent with other weights, e.g. its own initial ones."""
        net = build_network(*self.network)
        net.load_state_dict(weights)
        net.to(self.device).eval()
        return replace(self, net=net)

    def _repr_html_(self) -> str:
        return find("notebook view", "agent")(self)
