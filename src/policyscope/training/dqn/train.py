"""Double DQN with uniform replay, from top to bottom.

Preset ``paper`` is the recipe of rl-agents: one environment, one update a step, hard target copies,
gradients clamped element by element. Preset ``fast`` steps many environments in lockstep and
learns while they step. Everything random is seeded and saved, so a run that is killed and resumed
ends with the weights of one that was not.

Reference: Mnih et al. 2015; van Hasselt et al. 2016; Leurent & Mercat 2019.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import add_to_card, save_agent, save_weights
from policyscope.core.errors import PolicyscopeError
from policyscope.core.provenance import provenance
from policyscope.core.threads import one_thread
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Stepper
from policyscope.training.checkpoint import State, only_trainer, save_state
from policyscope.training.dqn.actor import Actor
from policyscope.training.dqn.config import DQNConfig
from policyscope.training.dqn.learner import Learner
from policyscope.training.log import CurveLog
from policyscope.training.run import begun, claim, crossed, keep_checkpoint, require_lengths


@dataclass(frozen=True)
class Plan:
    """What to train, for how long and where to write it.

    Args:
        env: the environment.
        config: hyperparameters.
        steps: environment steps.
        seed: seed of weights, exploration, replay and environments.
        out: folder of the run; itself a loadable agent.
        checkpoints: evenly spaced weights to keep.
        save_every: environment steps between saved states; a kill costs at most these.
        workers: environment processes; the result does not depend on it.
        device: torch device of the network.
        command: the command line, for the card.
    """

    env: EnvSpec
    config: DQNConfig
    steps: int
    seed: int
    out: Path
    checkpoints: int = 0
    save_every: int = 5_000
    workers: int = 0
    device: str = "cpu"
    command: str = ""


def choose_network(space: Space, config: DQNConfig) -> tuple[str, dict[str, Any]]:
    """The network that fits a space: attention over rows, or a perceptron over flat features.

    Raises:
        PolicyscopeError: no network here fits; says what would.
    """
    if not space.actions:
        raise PolicyscopeError("DQN needs a discrete action space; this one is continuous")
    if len(space.obs_shape) == 2 and space.features[:1] == ("presence",):
        features = space.obs_shape[1]
        return "ego_attention", {
            "features": features,
            "heads": config.heads,
            "actions": len(space.actions),
        }
    if len(space.obs_shape) == 1:
        return "mlp", {"features": space.obs_shape[0], "actions": len(space.actions)}
    raise PolicyscopeError(
        f"no network for observations of shape {space.obs_shape}: DQN here takes flat vectors, or "
        "rows of features whose first feature is presence"
    )


def train(plan: Plan, resume: bool = False) -> Agent:
    """Train an agent; the run's folder is a loadable agent from its first second.

    Args:
        plan: what to train.
        resume: go on from the newest saved state of the folder.

    Returns:
        The trained agent, as saved.

    Raises:
        PolicyscopeError: nothing here can be trained on the environment; the folder holds
            something else, or a run and ``resume`` is not set; ``resume`` without a run.
    """
    require_lengths(plan.steps, plan.save_every, plan.checkpoints)
    stepper = make(plan.env, plan.config.lanes, plan.workers)
    try:
        with one_thread():
            return _train(plan, stepper, resume)
    finally:
        stepper.close()


def _train(plan: Plan, stepper: Stepper, resume: bool) -> Agent:
    network = choose_network(stepper.space, plan.config)
    claim(plan.out, _values(plan), resume)
    with only_trainer(plan.out):
        return _run(plan, stepper, network, begun(plan.out) if resume else None)


def _run(
    plan: Plan, stepper: Stepper, network: tuple[str, dict[str, Any]], state: State | None
) -> Agent:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        net = build_network(*network).to(plan.device)
    agent = Agent(net, network, "q", stepper.space, env=plan.env, card=_card(plan))
    agent.initial = {k: v.detach().clone() for k, v in net.state_dict().items()}
    learner = Learner(net, plan.config, plan.steps)
    actor = Actor.begin(stepper, plan.config, plan.seed)
    if state:
        learner.restore(state[0], state[1]["updates"])
        actor.restore(*state)
    else:
        save_agent(agent, plan.out)
    with CurveLog(plan.out, actor.step, plan.steps, plan.config.lanes) as log:
        _loop(plan, learner, actor, log)
    agent.net = learner.best.eval()
    agent.card |= {"steps": actor.step, "episodes": actor.ended}
    save_agent(agent, plan.out)
    return agent


def advance(learner: Learner, actor: Actor) -> None:
    """One round: every lane acts once, and the learner makes the updates that fall due.

    With ``overlap`` half of them are made while the environments step and half while new episodes
    are set up.
    """
    due = _due(actor)
    early = due // 2 if actor.config.overlap else 0
    actions = actor.act(learner.net)
    actor.stepper.begin_step(list(actions))
    _learn(learner, actor, early)
    actor.take(actions, actor.stepper.finish_step())
    _learn(learner, actor, due - early)
    actor.look()


def _loop(plan: Plan, learner: Learner, actor: Actor, log: CurveLog) -> None:
    while actor.step < plan.steps:
        before = actor.step
        advance(learner, actor)
        for row in actor.finished:
            log.write(actor.step, {**row, "epsilon": actor.epsilon()})
        actor.finished.clear()
        over = actor.step >= plan.steps
        if crossed(before, actor.step, 500) or over:
            if learner.updates:
                log.write(actor.step, {"loss": learner.loss, "lr": learner.learning_rate()})
            log.advance(actor.step)
        kept = keep_checkpoint(plan.out, learner.best, (before, actor.step), plan)
        if kept or crossed(before, actor.step, plan.save_every) or over:
            log.keep()
            _save(plan, learner, actor)


def _due(actor: Actor) -> int:
    """Updates that the steps of the coming round bring."""
    rate, after = actor.config.updates_per_step, actor.step + actor.stepper.lanes
    return math.floor(after * rate) - math.floor(actor.step * rate)


def _learn(learner: Learner, actor: Actor, updates: int) -> None:
    c = actor.config
    if actor.replay.size < max(c.learn_start, c.batch):
        return
    for _ in range(updates):
        learner.update(actor.replay.sample(c.batch, actor.random))


def _save(plan: Plan, learner: Learner, actor: Actor) -> None:
    values = {"updates": learner.updates, **actor.values()}
    save_state(plan.out, actor.step, {**learner.arrays(), **actor.arrays()}, values)
    save_weights(plan.out / "weights.safetensors", learner.best.state_dict())
    add_to_card(plan.out, "steps", actor.step)


def _values(plan: Plan) -> dict[str, Any]:
    """What decides the weights."""
    return {
        "algorithm": "dqn",
        "env": plan.env.to_json(),
        "config": plan.config.to_json(),
        "steps": plan.steps,
        "seed": plan.seed,
        "checkpoints": plan.checkpoints,
        "device": plan.device,
    }


def _card(plan: Plan) -> dict[str, Any]:
    return {
        "algorithm": "dqn",
        "config": plan.config.to_json(),
        "seed": plan.seed,
        "steps": 0,
        "provenance": provenance(plan.command, plan.seed, plan.env.versions),
    }
