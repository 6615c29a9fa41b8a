"""Native functions for large eager calls that repeat: which, and when.

`tensor/large.py` counts the calls and asks here. What is decided follows from types, sizes and
counts, so a program gives the same bits in every run. Example: `native(job, x)` is a function like
`job.function`, or None if NumPy is to go on; `known(job)` likewise, without compiling anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import ChainruleError
from chainrule.base.settings import settings
from chainrule.compiler.eager.exact import exact_function
from chainrule.compiler.eager.form import Form, form_of
from chainrule.compiler.eager.functions import Function, function_of
from chainrule.compiler.eager.graphs import graph_of
from chainrule.compiler.eager.repeated import Repeated
from chainrule.compiler.eager.template import Template, columns_of_a_template, template_of
from chainrule.compiler.runtime.native import refusal
from chainrule.graph.node import Graph, TupleType
from chainrule.ops.record import Op
from chainrule.tensor import large
from chainrule.tensor.large import Job

_MOST = 1024  # templates; at the limit all are dropped, and made again from kernels that are there
_LIGHT = 8  # instructions per element up to which memory is all that a kernel waits for


class _Pattern(NamedTuple):
    """A template, and what the job gives: see `JobGraph`."""

    template: Template
    ends: tuple[int | None, ...]


_patterns: dict[Any, _Pattern | None] = {}
_planned: set[tuple[Op, tuple[bool, ...] | None]] = set()  # ops and rules with code


def native(job: Job, operands: Sequence[Any]) -> Function | None:
    """A native function for a job that repeats, made now if need be; `operands` are an example."""
    if settings().no_compile or refusal() is not None:
        return None
    form = form_of(job.call.op, job.call.types, job.call.attrs)
    kind = job.call.op, job.wanted
    planned = job.spent >= (large.PLAN if kind in _planned else large.FIRST_PLAN)
    if form is not None and not (planned and form.width) and _is_template(job, form):
        return known(job)
    if not planned:
        return None
    _planned.add(kind)
    return exact_function(job, operands)


def _is_template(job: Job, form: Form) -> bool:
    """Whether there is a template for the job; it is made if it can be."""
    for key, columns in _choices(form, job):
        if key not in _patterns:
            if len(_patterns) >= _MOST:
                _patterns.clear()
            _patterns[key] = _pattern(form, columns, job)
        if _patterns[key] is not None:
            return True
    return False


def known(job: Job) -> Function | None:
    """A native function, if its kernel is there."""
    form = form_of(job.call.op, job.call.types, job.call.attrs) if _patterns else None
    if form is None:
        return None
    for key, _ in _choices(form, job):
        pattern = _patterns.get(key)
        if pattern is not None:
            return _function(job, pattern, form)
    return None


large.known = known


def _choices(form: Form, job: Job) -> list[tuple[Any, int | None]]:
    """Keys of patterns that would do, with the columns for which each is made (None: for all)."""
    start = (*form.key, job.wanted)
    found: list[tuple[Any, int | None]] = []
    if form.columns is None or form.columns <= columns_of_a_template():
        found.append((start, None))
    if form.columns is not None:
        found.append(((*start, form.columns), form.columns))
    return found


def _pattern(form: Form, columns: int | None, job: Job) -> _Pattern | None:
    """The pattern of a job; None if it is not one kernel, or has none."""
    ends: tuple[int | None, ...] = ()

    def build(rows: int, columns: int | None) -> Graph:
        nonlocal ends
        graph, ends = graph_of(form.at(rows, columns), job)
        return graph

    try:
        template = template_of(build, columns, flat=form.columns is None)
    except ChainruleError:  # an op without a kernel, or without a gradient
        return None
    return None if template is None else _Pattern(template, ends)


def _function(job: Job, pattern: _Pattern, form: Form) -> Function | None:
    """The job done by a kernel; None where NumPy is as fast, or only makes a view."""
    cost, call = pattern.template.cost, job.call
    light = cost <= _LIGHT
    if light and (call.size < large.CHEAP or cost <= 1):
        return None
    each = 1 if form.width is None or form.columns is None else form.width * form.columns // 8
    run = pattern.template.launch(form.rows, form.columns, each).run
    otherwise = Repeated(job, form) if isinstance(job.function, np.ufunc) else None
    if job.wanted is None:
        if isinstance(call.type, TupleType):
            return function_of(run, call.type.items, pattern.ends, otherwise)
        return function_of(run, [call.type], None, otherwise)
    found = dict(zip(pattern.ends, call.types, strict=True))
    results = [found[k] for k in range(pattern.template.results)]
    return function_of(run, results, pattern.ends, otherwise)
