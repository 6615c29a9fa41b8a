"""A derivation as a page for notebooks: self-contained HTML, with formulas in MathML.

    page(derivation)      # a <div> with its own style; modules open and close

Colours follow the notebook, light or dark; small arrays are tables of numbers. May import
 `inspect.derivation`, `inspect.formula`, `inspect.outline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from chainrule.base.source import short
from chainrule.inspect.derivation import Derivation, Part, Step, Update
from chainrule.inspect.formula import math, mathml, mathml_name
from chainrule.inspect.outline import change_of, shown

_TABLE, _WIDEST, _TABLES = 64, 10, 4  # the most numbers, columns and tables shown
_OPEN = 60  # the most steps with which all modules are open at first
_MOST = 3000  # the most steps of a page
_FEW = 8  # the most contributions to a sum that is open at first
_STYLE = """<style>
.cr-explain{font:14px/1.45 system-ui,sans-serif;max-width:72em}
.cr-explain details{margin:.15em 0 .15em .2em;border-left:2px solid #8884;padding-left:.7em}
.cr-explain summary{cursor:pointer;font-weight:600;padding:.15em 0}
.cr-explain h4{margin:.9em 0 .3em;font-size:1.05em}
.cr-explain .n{display:flex;flex-wrap:wrap;gap:.2em .9em;align-items:center;padding:.22em 0;
border-bottom:1px solid #8882}
.cr-explain .p{padding-left:1.6em}
.cr-explain table{border-collapse:collapse;display:inline-table;vertical-align:middle;margin:0 .2em;
width:auto;border-left:1.5px solid;border-right:1.5px solid;border-radius:4px}
.cr-explain td{font:12px ui-monospace,Menlo,Consolas,monospace;padding:.05em .45em;
text-align:right;border:0}
.cr-explain .v{color:#2a9d4a}.cr-explain .g{color:#e0484f}
.cr-explain .m{opacity:.65;font-size:.85em}
.cr-explain .bad{color:#e0484f;font-weight:700}
.cr-explain math{font-size:1.08em}
.cr-explain .wide td{text-align:left;padding:.25em .7em;font:inherit}
.cr-explain .wide{border:0}
</style>"""


def page(d: Derivation) -> str:
    """The page with the four steps."""
    return "".join(_parts(d))


def _parts(d: Derivation) -> Iterator[str]:
    loss = d.steps[d.loss]
    yield f'{_STYLE}<div class="cr-explain">'
    yield f"<div><b>{escape(d.title)}</b>: loss {_numbers(loss.value, 'v')}"
    yield _muted(f", {d.extent}")
    yield "</div><h4>1 forward</h4>"
    large = len(d.steps) > _MOST
    if large:
        yield _muted(f"{len(d.steps)} nodes are too many for a page; to_json() has them all")
    yield from () if large else _nested(d.steps, lambda s: _forward(d, s), len(d.steps) <= _OPEN)
    yield "<h4>2 seed</h4>"
    yield f'<div class="n">{math(_partial(loss))}<span class="g">= 1</span></div>'
    yield "<h4>3 backward</h4>"
    senders = [s for s in reversed(d.steps) if s.parts]
    yield from () if large else _nested(senders, lambda s: _backward(d, s), len(d.steps) <= _OPEN)
    yield "<h4>gradients</h4>"
    for number in d.wanted:
        yield _gradient(d, d.steps[number])
    if d.updates:
        yield "<h4>4 update</h4>"
        yield from map(_update, d.updates)
    yield "</div>"


def _nested(steps: Sequence[Step], show: Callable[[Step], str], opened: bool) -> Iterator[str]:
    """Each step inside the modules of its path; consecutive steps share their modules."""
    at: tuple[str, ...] = ()
    for s in steps:
        path = at if s.is_leaf else tuple(filter(None, s.layer.replace("[", ".[").split(".")))
        kept = 0
        while kept < min(len(at), len(path)) and at[kept] == path[kept]:
            kept += 1
        yield "</details>" * (len(at) - kept)
        for name in path[kept:]:
            yield f"<details{' open' if opened else ''}><summary>{escape(name)}</summary>"
        at = path
        yield show(s)
    yield "</details>" * len(at)


def _forward(d: Derivation, s: Step) -> str:
    where = _muted(" ".join(filter(None, [s.type, short(s.source) if not s.is_leaf else ""])))
    own = mathml_name(f"%{s.number}")
    if s.is_leaf:
        right = mathml_name(s.name) if s.name else "<mtext>constant</mtext>"
    elif s.formula:
        right = mathml(s.formula, d.names(s))
    else:
        inner = "<mo>,</mo>".join(mathml_name(d.steps[i].called) for i in s.operands)
        right = f"<mi>{escape(s.op)}</mi><mo>(</mo>{inner}<mo>)</mo>"
    return (
        f'<div class="n">{math(f"{own}<mo>=</mo><mrow>{right}</mrow>")}'
        f"<span>=</span>{_numbers(s.value, 'v')}{where}</div>"
    )


def _backward(d: Derivation, s: Step) -> str:
    uses = d.uses(s.number)
    total = ""
    if len(uses) > 1:
        terms = " + ".join(
            f"{_numbers(p.value, 'g')} {_muted(f'from %{user.number} {user.op}')}"
            for user, p in uses
        )
        total = f"<span>= {terms}</span>"
    delta = mathml_name(f"δ%{s.number}")
    head = f"{math(f'{delta}<mo>=</mo>{_partial(s)}')}<span>=</span>{_numbers(d.upstream(s), 'g')}"
    rows = "".join(_part(d, s, p) for p in s.parts)
    return f'<div class="n">{head}{total}{_muted(f"upstream of {s.op}")}</div>{rows}'


def _part(d: Derivation, s: Step, p: Part) -> str:
    delta = f"δ%{s.number}"
    names = {**d.names(s), "ct": delta}
    if p.operand < len(s.local):
        text = mathml(f"ct * ({s.local[p.operand]})", names)
    elif p.operand < len(s.sends):
        text = mathml(s.sends[p.operand], names)
    else:
        text = f"<mi>{escape(s.op)}</mi><mo>′</mo><mo>(</mo>{mathml_name(delta)}<mo>)</mo>"
    to = d.steps[p.to]
    judged = ""
    if p.measured is not None:
        title = "relative distance from the central difference of this node alone"
        kind = "m" if p.measured.holds or p.measured.kink else "bad"
        judged = f'<span class="{kind}" title="{title}">{escape(str(p.measured))}</span>'
    return (
        f'<div class="n p"><span>→ {math(mathml_name(to.called))}</span>{math(text)}'
        f"<span>=</span>{_numbers(p.value, 'g')}{judged}</div>"
    )


def _gradient(d: Derivation, leaf: Step) -> str:
    uses = d.uses(leaf.number)
    out = [f'<div class="n">{math(_partial(leaf))}<span>=</span>{_numbers(leaf.gradient, "g")}']
    out.append(f"{_muted(leaf.type)}</div>")
    if len(uses) > 1:
        rows = "".join(
            f"<tr><td>{'+ ' if i else ''}{_numbers(p.value, 'g')}</td>"
            f"<td>{_muted(f'%{s.number} {s.op} {s.layer or short(s.source)}')}</td></tr>"
            for i, (s, p) in enumerate(uses)
        )
        out.append(_folded(f"the sum of {len(uses)} uses", rows, opened=len(uses) <= _FEW))
    for s, part in uses:
        if len(part.windows) > 1:
            rows = "".join(
                f"<tr><td>{'+ ' if i else ''}{_numbers(w.value, 'g')}</td>"
                f"<td>windows {w.first} to {w.last}</td></tr>"
                for i, w in enumerate(part.windows)
            )
            title = f"the sum over {part.windows[-1].last + 1} windows"
            out.append(_folded(title, rows, opened=len(part.windows) <= _FEW))
        repeated = d.repeated_rows(s)
        for row, places in repeated.items():
            rows = "".join(
                f"<tr><td>{'+ ' if i else ''}{_numbers(part, 'g')}</td><td>at {list(at)}</td></tr>"
                for i, (at, part) in enumerate(places)
            )
            title = f"row {row}: the sum of {len(places)} places"
            out.append(_folded(title, rows, opened=sum(map(len, repeated.values())) <= _FEW))
    return "".join(out)


def _folded(title: str, rows: str, *, opened: bool) -> str:
    return (
        f"<details{' open' if opened else ''}><summary>{title}</summary>"
        f'<table class="wide">{rows}</table></details>'
    )


def _update(u: Update) -> str:
    return (
        f'<div class="n">{math(mathml_name(u.name))}{_numbers(u.before, "v")}<span>→</span>'
        f"{_numbers(u.after, 'v')}{_muted(change_of(u))}</div>"
    )


def _partial(s: Step) -> str:
    return (
        "<mfrac><mrow><mi>∂</mi><mi>loss</mi></mrow><mrow><mi>∂</mi>"
        f"{mathml_name(s.called)}</mrow></mfrac>"
    )


def _muted(text: str) -> str:
    return f'<span class="m">{escape(text)}</span>'


def _numbers(value: Any, kind: str) -> str:
    """A number, a table, or a summary, coloured as a value or as a gradient."""
    if isinstance(value, tuple) or value is None or np.size(value) > _TABLE or not np.size(value):
        return f'<span class="{kind} m">{escape(shown(value))}</span>'
    array = np.asarray(value)
    if not array.ndim:
        return f'<span class="{kind}">{_number(array.item())}</span>'
    stack = array.reshape(-1, *(array.shape[-2:] if array.ndim > 1 else (1, array.size)))
    if len(stack) > _TABLES or stack.shape[-1] > _WIDEST:
        return f'<span class="{kind} m">{escape(shown(value))}</span>'
    return "".join(_table(matrix, kind) for matrix in stack)


def _table(matrix: Any, kind: str) -> str:
    rows = "".join(
        "<tr>" + "".join(f"<td>{_number(v)}</td>" for v in row) + "</tr>" for row in matrix.tolist()
    )
    return f'<table class="{kind}">{rows}</table>'


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
