"""``policyscope field``: what the agent would do at every place of a recorded scene."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from policyscope.cli.bar import working
from policyscope.cli.flags import parse
from policyscope.cli.moment import parse_moment
from policyscope.cli.step import StepArgs, about, check_json, out_folder, put_json, tell_end

EXAMPLES = """Put the player or mouse on every legal cell of a recorded scene and ask the agent.

examples:
  policyscope field runs/rec:3:17
  policyscope field runs/rec:3:17 --edit 'remove saw' --around 4
  policyscope field runs/maze:0:0 --theme dark
"""


@dataclass(frozen=True, kw_only=True)
class Args(StepArgs):
    """Flags of ``policyscope field``."""

    edit: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """A change of the scene, in quotes; may be repeated. The field is drawn before and after."""
    around: float | None = None
    """Only cells so many tiles from the recorded place; default: all that a frame shows."""


def main(argv: Sequence[str]) -> int:
    """Run ``policyscope field``."""
    args = parse(Args, argv, "field", EXAMPLES)
    path, episode, step = parse_moment(args.moment)
    check_json(args.json)
    out = out_folder(args.out, path, "fields", (episode, step, *args.edit, args.around))
    import numpy as np

    from policyscope.figures.field import draw
    from policyscope.figures.step_page import write_step_page
    from policyscope.recordings.read import open_recording
    from policyscope.recordings.replays.field import policy_field

    with working("asking at every place"):
        recording = open_recording(path)
        result = policy_field(
            recording, episode, step, args.edit,
            around=args.around, command=f"policyscope field {shlex.join(argv)}",
        )  # fmt: skip
    result.save(out, overwrite=True)
    data = result.data
    best = data["probability"].argmax("action_name").values
    memory = ", its memory included" if recording.agent.recurrent else ""
    words = (
        f"Episode {episode}, step {step}: the agent put on {data.sizes['place']} places, all else "
        f"as it was{memory}. Colour: value of the place; arrows: mean push of the policy's "
        "directions."
    )
    if len(best) > 1:
        changed = int((best[0] != best[1]).sum())
        words += f" The preferred action changes in {changed} of {data.sizes['place']} places."
    write_step_page(result, out / "figure.html", words, [draw(result, args.theme)], args.theme)
    names = [str(name) for name in data["action_name"].values]
    sides = [str(side) for side in data["side"].values]
    values = {
        **about(result, out),
        "places": np.stack([data["x"].values, data["y"].values], 1).tolist(),
        "best": {s: [names[i] for i in row] for s, row in zip(sides, best, strict=True)},
        "value": {s: data["value"].sel(side=s).values.tolist() for s in sides}
        if "value" in data
        else None,
    }
    if put_json(args.json, values):
        return 0 if result.passed else 3
    from rich.console import Console

    Console(highlight=False).print(words, markup=False)
    return tell_end(result, out)
