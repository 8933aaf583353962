"""The look of the page of a decision."""

from policyscope.figures.attribution_maps import COLOURS
from policyscope.figures.theme import ink

_STYLE = """
:root { color-scheme: %(scheme)s; %(inks)s --for: %(for)s; --against: %(against)s;
  --mark: %(mark)s; --accent: %(accent)s; --back: %(back)s; }
* { box-sizing: border-box; }
body { font: 14px/1.5 Inter, system-ui, 'Helvetica Neue', Arial, sans-serif; margin: 0 auto;
  background: var(--back); color: var(--text); max-width: 1080px; padding: 28px 20px 56px;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 22px; line-height: 1.35; font-weight: 600; margin: 0 0 20px; max-width: 62ch;
  letter-spacing: -0.01em; }
h2 { font-size: 15px; font-weight: 600; margin: 0 0 8px; }
p { margin: 6px 0; color: var(--soft); max-width: 80ch; }
p.found { color: var(--text); }
p.check { font-size: 12px; }
p.failed { color: var(--mark); font-weight: 600; }
p.missing { border-left: 3px solid var(--mark); padding-left: 10px; }
.place { font: 12px/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
main { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
section { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px;
  padding: 16px 18px; min-width: 0; }
section.wide { grid-column: 1 / -1; }
.pair { display: grid; grid-template-columns: minmax(0, 340px) minmax(0, 1fr); gap: 24px;
  align-items: start; margin: 8px 0; }
figure { margin: 0; }
figcaption { font-size: 12px; color: var(--soft); margin-top: 4px; }
figcaption i { display: inline-block; width: 10px; height: 10px; margin: 0 5px 0 8px;
  border-radius: 2px; }
figcaption i:first-child { margin-left: 0; }
video, svg.scene { display: block; max-width: 100%%; height: auto; border-radius: 6px;
  background: #000; }
svg.scene polygon { stroke-width: 1.5; fill-opacity: 0; vector-effect: non-scaling-stroke; }
svg.scene polygon.marked { stroke-width: 2.5; }
svg.scene text { font: 600 11px Inter, Arial, sans-serif; text-anchor: middle; fill: #fff;
  stroke: #000; stroke-width: 2.5px; paint-order: stroke; }
.wide-table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; width: 100%%; }
th { text-align: left; font-weight: 600; font-size: 12px; color: var(--soft);
  border-bottom: 1px solid var(--zero); padding: 3px 14px 3px 0; }
td { border-bottom: 1px solid var(--grid); padding: 3px 14px 3px 0; white-space: nowrap; }
#attribution .wide-table td:last-child, #fork td:last-child { white-space: normal; }
tr.chosen td { font-weight: 600; }
td.bar { width: 40%%; position: relative; }
td.bar i { display: block; height: 12px; background: var(--accent); border-radius: 2px; }
td.signed i { position: absolute; top: 8px; }
td.signed::before { content: ""; position: absolute; left: 50%%; top: 0; bottom: 0; width: 1px;
  background: var(--zero); }
i.for { background: var(--for) !important; }
i.against { background: var(--against) !important; }
footer { margin-top: 28px; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 16px;
  margin: 0 0 20px; font-size: 13px; }
dt { font-weight: 600; }
dd { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
code { font: 12px/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; color: var(--text);
  user-select: all; }
@media (max-width: 700px) { main { grid-template-columns: minmax(0, 1fr); }
  .pair { grid-template-columns: minmax(0, 1fr); } }
@media print { section { break-inside: avoid; } video { display: none; } }
"""
_EXTRA = {
    "light": {"mark": "#b34a00", "accent": "#2c5d8f", "back": "#f6f7f8"},
    "dark": {"mark": "#f08d4b", "accent": "#8ab8e6", "back": "#0e1014"},
}


def style(mode: str = "light") -> str:
    """The style sheet.

    Args:
        mode: light or dark.
    """
    inks = "".join(f"--{name}: {colour}; " for name, colour in ink(mode).items())
    lines = dict(zip(("for", "against"), COLOURS[mode], strict=True))
    return _STYLE % {"scheme": mode, "inks": inks, **lines, **_EXTRA[mode]}
