"""A flight as text: the verdicts, then the newest look by layer; at most a screen.

Example: `print(text(recorder.history, every=10))`. May import `inspect.derivation` and
`inspect.flight`.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.base.arguments import counted
from chainrule.inspect.flight.history import History, Look
from chainrule.inspect.flight.verdicts import verdicts

_ROWS = 16  # the most layers or activations listed


def text(history: History, every: int) -> str:
    """The verdicts and the newest look."""
    if not history.looks:
        return (
            f"flight recorder: no look yet ({len(history.losses)} steps recorded, one in {every} "
            "is looked at); call recorder.record(loss) after each step"
        )
    found = verdicts(history)
    head = f"{len(history.looks)} looks up to step {history.looks[-1].step}"
    lines = [
        f"flight recorder: {head}: " + (counted(len(found), "verdict") if found else "healthy")
    ]
    for verdict in found:
        lines += ["", *str(verdict).splitlines()]
    return "\n".join([*lines, "", *_layers(history.looks[-1]), *_activations(history.looks[-1])])


def line(look: Look) -> str:
    """One line: the whole model, and the layers at both ends."""
    layers = look.layers()
    quiet = min(layers, key=lambda name: layers[name]["rms"])
    loud = max(layers, key=lambda name: layers[name]["rms"])
    return (
        f"norm {look.norm:.2f} · update:weight {look.update:.1e} · "
        f"quietest {quiet} {layers[quiet]['rms']:.0e} · loudest {loud} {layers[loud]['rms']:.0e}"
    )


def _layers(look: Look) -> Iterator[str]:
    rows = look.layers()
    width = max(map(len, ("layer", *rows)))
    yield f"{'layer':{width}s}  ‖gradient‖  per weight  update:weight"
    for name in _spread(list(rows)):
        row = rows[name]
        yield f"{name:{width}s}  {row['norm']:10.2e}  {row['rms']:10.2e}  {row['update']:13.1e}"
    yield f"{'all':{width}s}  {look.norm:10.2e}  {'':10s}  {look.update:13.1e}"


def _activations(look: Look) -> Iterator[str]:
    if not look.activations:
        return
    width = max(map(len, look.activations))
    yield ""
    for place in _spread(list(look.activations)):
        yield f"{place:{width}s}  {'  '.join(_measured(look.activations[place]))}"


def _measured(measures: dict[str, float]) -> Iterator[str]:
    if "dead" in measures:
        yield f"{measures['dead']:4.0%} of units dead"
    if "saturated" in measures:
        yield f"{measures['saturated']:4.0%} of values saturated"
    if "entropy" in measures:
        entropy, lowest = measures["entropy"], measures["lowest"]
        yield f"attention entropy {entropy:.2f} of the largest, {lowest:.2f} in its sharpest head"


def _spread(names: list[str]) -> list[str]:
    """A few names at equal distances."""
    return names[:: max(1, -(-len(names) // _ROWS))]
