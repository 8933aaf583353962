"""Attribution of a recording's decisions: values, what they sum up to, how far they hold."""

from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Int

from policyscope.agents.agent import Agent
from policyscope.attribution.again import again
from policyscope.attribution.asking.baselines import Baseline, baseline
from policyscope.attribution.asking.chosen import Chosen, choose
from policyscope.attribution.asking.targets import default_target, unit_of, unit_of_values
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.answering import answered
from policyscope.attribution.methods.asked import path_site
from policyscope.attribution.methods.players import players_of
from policyscope.attribution.methods.told import Told
from policyscope.attribution.methods.unit_actions import inputs_check, unit_actions
from policyscope.attribution.results.entities import with_entities
from policyscope.attribution.results.initialisations import compared
from policyscope.attribution.results.maps import arrays_of
from policyscope.attribution.results.pictures import baseline_frames
from policyscope.attribution.trust.checks import checks_of, unchecked_because
from policyscope.attribution.trust.line import NO_UNITS, Figure, trust_line
from policyscope.attribution.trust.removals import removal_figure
from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.core.sites import select
from policyscope.core.target_parser import Target, parse_target
from policyscope.recordings.subject import subject


def attribute(
    recording: Any,
    config: AttributionConfig | None = None,
    episode: int | None = None,
    step: int | None = None,
    command: str | None = None,
) -> Result:
    """Say how much of a target each unit of an activation accounts for, decision by decision.

    Args:
        recording: an opened recording.
        config: target, method, site and options.
        episode: number of an episode; default is the whole recording.
        step: of that episode; default is all its steps.
        command: the command line, for the provenance.

    Returns:
        A Result over N rows, with coordinates ``episode`` and ``step``. ``attribution`` has the
        axes of the site; ``target`` is what was explained, ``change`` its difference to the
        baseline, ``gap`` what of that the values miss and ``steps`` how often the gradient was
        taken, where the method has them. Observations of vehicles have ``vehicles``
        (row, layer, entity), frames and convolutional sites ``map`` (row, layer, y, x).

    Raises:
        UnknownName: no such site, episode, action or output.
        PolicyscopeError: the target does not depend on the site, or looks ahead.

    Cost: that of the method for each row; memory for the values of all rows.
    """
    config = config or AttributionConfig()
    agent = recording.agent
    chosen = choose(recording, agent, episode, step, config.rows, config.seed)
    site = one_site(agent, config.site)
    target = parse_target(config.target or default_target(agent))
    sites = list(dict.fromkeys([path_site(config, site), site]))
    players = players_of(config)
    given = baseline(recording, agent, chosen, config.baseline, sites)
    start = players.compared(agent, chosen, site, config, given)
    told, whole = players.answer(recording, target, chosen, site, config, start)

    def values_of(one: Agent, what: Target, rows: Int[np.ndarray, " M"]) -> np.ndarray:
        own = start if one is agent else start.of(one, chosen.decisions, chosen.decisions)
        found = answered(one, what, chosen, site, config, own, rows)[0]["attribution"]
        return players.shown(found.numpy(), config)

    trust = _trust(recording, target, chosen, site, config, start, told) if config.trust else []
    data = arrays_of(agent, chosen, site, players.shown(told["attribution"].numpy(), config))
    data.attrs |= {"method": config.method, "players": config.players}
    if players.units:
        data = compared(data, agent, target, config, values_of)
    data = with_entities(recording, data)
    data = data.assign({k: ("row", v.numpy()) for k, v in told.items() if k != "attribution"})
    data = data.assign(baseline_frames(agent, chosen, site, config.baseline, start))
    checks = checks_of(config, told, whole)
    if config.method == "neuron_conductance":
        steps = int(told["steps"].max())
        data = data.assign(unit_actions(agent, target, chosen, site, config, start, steps))
        data.attrs["features"] = list(agent.space.features)
        checks.append(inputs_check(data))
    for name in {"target", "change", "gap", "missed"} & set(data):
        data[name].attrs["unit"] = unit_of(str(target))
    return Result(
        "attribution",
        data.assign_attrs(
            target=str(target), site=site, baseline=start.description,
            unit=unit_of_values(config.method, str(target)),
            trust=[figure.to_json() for figure in trust],
        ),
        {
            "recording": subject(recording),
            **asdict(config), "target": str(target), "site": site,
            "python": again(attribute, recording, config, episode, step),
        },
        provenance(command or "", config.seed),
        checks,
        unchecked=None if checks else unchecked_because(config, told),
    )  # fmt: skip


def _trust(
    recording: Any,
    target: Target,
    chosen: Chosen,
    site: str,
    config: AttributionConfig,
    start: Baseline,
    told: Told,
) -> list[Figure]:
    """How far the values hold, by what their players can be judged by."""
    count, players = len(chosen.decisions), players_of(config)
    tell_progress(count, count, "deletion, insertion, noise")
    line = [NO_UNITS]
    if players.units:
        line = trust_line(recording.agent, target, chosen, site, config, start)
    if players.entities:
        values, before = told["attribution"], start.values[site]
        removal = removal_figure(recording, target, chosen, site, config, values, before)
        line += [removal] if removal else []
    return line


def one_site(agent: Agent, pattern: str) -> str:
    """Name of the single site that a pattern matches.

    Raises:
        UnknownName: it matches none.
        PolicyscopeError: it matches several.
    """
    found = select(agent.sites(), [pattern])
    if len(found) > 1:
        raise PolicyscopeError(f"'{pattern}' matches several sites; take one: {', '.join(found)}")
    return found[0]
