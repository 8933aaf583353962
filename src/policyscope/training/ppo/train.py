"""Proximal policy optimisation, from top to bottom.

Lanes of environments act for a stretch of time; then the network learns from that stretch in
epochs of minibatches. A network with memory learns through the whole stretch, its memory reset
where an episode begins. A teacher may be listened to at first. Everything random is seeded and
saved, so a run that is killed and resumed ends with the weights of one that was not.

Reference: Schulman et al. 2017; Cobbe et al. 2020; Schmitt et al. 2018.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from policyscope.agents.agent import Agent
from policyscope.agents.store import add_to_card, save_agent, save_weights
from policyscope.core.errors import PolicyscopeError
from policyscope.core.provenance import provenance
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.training.checkpoint import State, only_trainer, save_state
from policyscope.training.log import CurveLog
from policyscope.training.ppo.actor import Actor
from policyscope.training.ppo.config import PPOConfig
from policyscope.training.ppo.kickstart import Teacher, load_teacher
from policyscope.training.ppo.learner import Learner, Moment
from policyscope.training.ppo.network import fresh_agent, started
from policyscope.training.ppo.unit_variance import observations_of, unit_variance
from policyscope.training.run import begun, claim, crossed, keep_checkpoint, require_lengths
from policyscope.training.starts import MOST_WATCHED, Starts, make_starts
from policyscope.training.watched import Watching, watch


@dataclass(frozen=True)
class Plan:
    """What to train, for how long and where to write it.

    Args:
        env: the environment.
        config: hyperparameters.
        steps: environment steps.
        seed: seed of weights, actions, order and episodes.
        out: folder of the run; itself a loadable agent.
        levels: first training level and the one after the last; None for the default.
        teacher: folder or name of an agent to imitate at first; None for nobody.
        start: folder or name of an agent whose weights to begin with; None for fresh ones.
        start_weights: other weights of that folder.
        checkpoints: evenly spaced weights to keep.
        save_every: environment steps between saved states; a kill costs at most these and an
            iteration.
        watching: how often to look at held-out episodes.
        threads: threads of torch; weights depend on it in the last digits.
        device: torch device of the network.
        command: the command line, for the card.
    """

    env: EnvSpec
    config: PPOConfig
    steps: int
    seed: int
    out: Path
    levels: tuple[int, int] | None = None
    teacher: str | None = None
    start: str | None = None
    start_weights: str | None = None
    checkpoints: int = 0
    save_every: int = 100_000
    watching: Watching = Watching()
    threads: int = 1
    device: str = "cpu"
    command: str = ""


def train(plan: Plan, resume: bool = False) -> Agent:
    """Train an agent; the run's folder is a loadable agent from its first second.

    Args:
        plan: what to train.
        resume: go on from the newest saved state of the folder.

    Returns:
        The trained agent, as saved.

    Raises:
        PolicyscopeError: the network, the levels or the teacher do not fit the environment; the
            folder holds something else, or a run and ``resume`` is not set; ``resume`` without a
            run; the loss is no longer finite.

    Cost: on two cores about 300 environment steps a second with the whole IMPALA network.
    """
    require_lengths(plan.steps, plan.save_every, plan.checkpoints)
    if not 1 <= plan.watching.episodes <= MOST_WATCHED:
        raise PolicyscopeError(f"a run is watched by 1 to {MOST_WATCHED:,} episodes")
    starts = make_starts(plan.env, plan.seed, plan.levels)
    stepper = make(plan.env, plan.config.lanes)
    try:
        agent = fresh_agent(stepper.space, plan.env, plan.config, plan.seed, plan.device)
        if plan.config.unit_variance and stepper.space.actions:
            unit_variance(agent, observations_of(stepper, starts, plan.seed))
        if plan.start is not None:
            agent = started(agent, plan.start, plan.start_weights)
        teacher = None
        if plan.teacher is not None:
            teacher = load_teacher(plan.teacher, stepper.space, plan.config)
        claim(plan.out, _values(plan, starts, teacher, agent), resume)
        with only_trainer(plan.out), _threads(plan.threads):
            state = begun(plan.out) if resume else None
            actor = Actor.begin(stepper, starts, plan.config.gamma)
            return _run(plan, agent, actor, teacher, state)
    finally:
        stepper.close()


def _run(
    plan: Plan, agent: Agent, actor: Actor, teacher: Teacher | None, state: State | None
) -> Agent:
    agent.card |= _card(plan, teacher)
    learner = Learner(agent, plan.config, plan.seed, teacher)
    if state:
        learner.restore(state[0], state[1]["updates"])
        actor.restore(*state, agent)
    else:
        save_agent(agent, plan.out)
    with CurveLog(plan.out, actor.step, plan.steps, plan.config.batch) as log:
        while actor.step < plan.steps:
            before = actor.step
            advance(plan, learner, actor, log)
            kept = keep_checkpoint(plan.out, agent.net, (before, actor.step), plan)
            over = actor.step >= plan.steps
            every = plan.watching.every
            looked = every > 0 and (crossed(before, actor.step, every) or over)
            if looked:
                seen = watch(agent, plan.env, actor.starts, plan.watching.episodes)
                log.write(actor.step, dict(seen))
            if kept or looked or crossed(before, actor.step, plan.save_every) or over:
                log.keep()
                _save(plan, learner, actor)
    agent.net.eval()
    agent.card |= {"steps": actor.step, "episodes": actor.ended}
    save_agent(agent, plan.out)
    return agent


def advance(plan: Plan, learner: Learner, actor: Actor, log: CurveLog) -> None:
    """One iteration: every lane acts for the horizon, and the network learns from it."""
    moment = Moment(actor.step, min(actor.step / plan.steps, 1.0), actor.scale.value)
    config = plan.config
    rollout = actor.collect(learner.agent, config.horizon, config.truncation_bootstraps)
    for row in actor.finished:
        log.write(actor.step, row)
    actor.finished.clear()
    told = learner.update(rollout, replace(moment, scale=actor.scale.value))
    log.write(actor.step, told)
    log.advance(actor.step)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _save(plan: Plan, learner: Learner, actor: Actor) -> None:
    values = {"updates": learner.updates, **actor.values()}
    save_state(plan.out, actor.step, {**learner.arrays(), **actor.arrays()}, values)
    save_weights(plan.out / "weights.safetensors", learner.net.state_dict())
    add_to_card(plan.out, "steps", actor.step)


def _values(plan: Plan, starts: Starts, teacher: Teacher | None, agent: Agent) -> dict[str, Any]:
    """What decides the weights."""
    return {
        "algorithm": "ppo",
        "env": plan.env.to_json(),
        "config": plan.config.to_json(),
        "steps": plan.steps,
        "seed": plan.seed,
        "levels": list(starts.levels) if starts.levels else None,
        "teacher": teacher.known if teacher else None,
        "start": agent.card["start"]["weights"] if plan.start is not None else None,
        "checkpoints": plan.checkpoints,
        "threads": plan.threads,
        "device": plan.device,
    }


def _card(plan: Plan, teacher: Teacher | None) -> dict[str, Any]:
    taught = {"teacher": {**teacher.known, "until_step": teacher.until}} if teacher else {}
    return {
        "algorithm": "ppo",
        "config": plan.config.to_json(),
        "seed": plan.seed,
        "steps": 0,
        **taught,
        "provenance": provenance(plan.command, plan.seed, plan.env.versions),
    }
