"""The message about a state that does not fit a module: missing names, and likely ones.

Imports base only. Example: `report("Net", ["out.bias"], ["ouput.bias"], [])`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from chainrule.base.arguments import first_few

_NAMES = 5  # of each kind that a report lists
_FAULTS = 2  # so that the report has at most eight lines


def report(
    title: str, missing: Sequence[str], unexpected: Sequence[str], faults: Sequence[str]
) -> str:
    """The whole message; empty if the state fits."""
    parts = []
    if missing:
        parts.append(f"missing from the state: {first_few(missing, _NAMES)}")
    if unexpected:
        parts.append(f"unexpected in the state: {first_few(unexpected, _NAMES)}")
    parts += faults[:_FAULTS]
    if len(faults) > _FAULTS:
        parts.append(f"and {len(faults) - _FAULTS} more faults")
    if not parts:
        return ""
    meant = _meant(missing, unexpected)
    parts += [meant] if meant else []
    return "\n  ".join([f"the state does not fit {title}; nothing was loaded", *parts])


def _meant(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """The likely difference of the names: a prefix, or the spelling of one."""
    if not missing or not unexpected:
        return ""
    extra = _prefix(unexpected, missing)
    if extra:
        return (
            f"its names begin with {extra!r}: load "
            f"{{k.removeprefix({extra!r}): v for k, v in state.items()}}"
        )
    lacking = _prefix(missing, unexpected)
    if lacking:
        return f"its names lack {lacking!r}: load {{{lacking!r} + k: v for k, v in state.items()}}"
    for name in unexpected:
        close = difflib.get_close_matches(name, missing, 1, 0.75)
        if close:
            return f"did {name} mean {close[0]}?"
    return ""


def _prefix(longer: Sequence[str], shorter: Sequence[str]) -> str:
    """The prefix whose removal makes `longer` equal `shorter`, such as `module.`."""
    first = longer[0]
    cuts = [first[: i + 1] for i, letter in enumerate(first) if letter == "."]
    for cut in cuts:
        if {name.removeprefix(cut) for name in longer if name.startswith(cut)} == {*shorter}:
            return cut
    return ""
