"""What an agent is made of: modules, sites and card, as rows and as HTML for notebooks."""

import html
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.card import card_lines


@dataclass(frozen=True)
class ModuleRow:
    """One module of a network.

    Args:
        name: its path; empty for the network itself.
        kind: its class.
        parameters: numbers it holds, those of its children included.
        shape: shape of its activation for one observation where it is a site, else None.
    """

    name: str
    kind: str
    parameters: int
    shape: tuple[int, ...] | None

    @property
    def depth(self) -> int:
        """How many modules it lies within."""
        return self.name.count(".") + 1 if self.name else 0


def module_rows(agent: Agent) -> list[ModuleRow]:
    """The module tree in definition order, ``preprocess`` first.

    Cost: one forward pass of one observation.
    """
    sites = agent.sites()
    named = [("preprocess", agent.preprocess), *agent.net.named_modules()]
    return [
        ModuleRow(name, type(m).__name__, _count(m), sites[name].shape if name in sites else None)
        for name, m in named
    ]


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def facts(agent: Agent) -> dict[str, str]:
    """What it sees, does and was made for, by name."""
    space = agent.space
    actions = ", ".join(space.actions) or f"{len(space.action_low)} numbers"
    shape = " x ".join(map(str, space.obs_shape))
    names = f" ({', '.join(space.features)})" if space.features else ""
    return {
        "network": f"{agent.network[0]} {agent.network[1]}",
        "parameters": f"{_count(agent.net):,}",
        "observation": f"{shape} {space.obs_dtype}{names}",
        "actions": actions,
        "head": f"{agent.head}, acts {agent.acting}",
        "memory": "recurrent" if agent.recurrent else "none",
        "environment": f"{agent.env.id} {agent.env.options or ''}".strip() if agent.env else "none",
        "initial weights": "known" if agent.initial is not None else "unknown",
    }


def shape_text(shape: tuple[int, ...] | None) -> str:
    """A shape as text; empty where there is none.

    Example:
        >>> shape_text((4, 1, 15))
        '4 x 1 x 15'
    """
    return "" if shape is None else " x ".join(map(str, shape)) or "scalar"


def agent_html(agent: Agent) -> str:
    """A self-contained fragment of HTML that describes an agent, for notebooks."""
    modules = [
        (f"{'  ' * row.depth}{row.name or 'network'}", row.kind, f"{row.parameters:,}",
         shape_text(row.shape))
        for row in module_rows(agent)
    ]  # fmt: skip
    return (
        "<div><h4>Agent</h4>"
        + _table(facts(agent).items())
        + "<details><summary>Modules and sites</summary>"
        + _table(modules, ("module", "kind", "parameters", "site shape"))
        + "</details><details><summary>Card</summary>"
        + _table(card_lines(agent.card))
        + "</details></div>"
    )


def _table(rows: Iterable[Iterable[str]], head: tuple[str, ...] = ()) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="white-space:pre-wrap;text-align:left">{html.escape(c)}</td>' for c in row
        )
        + "</tr>"
        for row in rows
    )
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{body}</table>"
