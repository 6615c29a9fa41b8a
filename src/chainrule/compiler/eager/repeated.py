"""Elementwise calls of which one operand repeats a row: a bias is read where it is.

    x + broadcast_to(bias, x.shape)     x: f32[8, 128, 1024] row-major, bias with strides (0, 0, 4)
    →   rows = 1024, columns = 1024: one kernel, whatever the extents

Example: `function = Repeated(job, form)`; what is neither this nor row-major stays with NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import empty

from chainrule.compiler.eager.form import Form
from chainrule.compiler.eager.template import Launch, Template, template_of
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import broadcast_to
from chainrule.tensor.large import Job

Array = np.ndarray[Any, Any]
_FEWEST = 64  # columns: tiles of a kernel for fewer are narrower

_templates: dict[Any, Template | None] = {}  # by form and by the operand that repeats


class Repeated:
    """See the module's docstring; a function of the job's operands."""

    def __init__(self, job: Job, form: Form) -> None:
        """`form` has one extent, the size of all operands."""
        self._numpy: Callable[..., Any] = job.function
        (result,) = form.at(1, None).results  # of one element
        first = job.call.types[0]
        assert isinstance(first, Type)  # a form has no tuples
        self._form, self._shape, self._dtype = form, first.shape, result.dtype.numpy
        self._launches: dict[tuple[int, int], Launch | None] = {}

    def __call__(self, *arrays: Array) -> Any:
        """The result for operands of which not all are row-major."""
        odd = [i for i, a in enumerate(arrays) if not a.flags.c_contiguous]
        columns = repeated_columns(arrays[odd[0]]) if len(odd) == 1 else 0
        if columns >= _FEWEST:
            key = odd[0], columns
            if key not in self._launches:
                self._launches[key] = self._launch(*key)
            launch = self._launches[key]
            if launch is not None:
                out: Array = empty(self._shape, self._dtype)
                launch.run((*arrays, out))
                return out
        return self._numpy(*arrays)

    def _launch(self, which: int, columns: int) -> Launch | None:
        key = (*self._form.key, which)
        if key not in _templates:
            _templates[key] = template_of(lambda rows, n: self._graph(which, rows, n or 1), None)
        template = _templates[key]
        return None if template is None else template.launch(self._form.rows // columns, columns)

    def _graph(self, which: int, rows: int, columns: int) -> Graph:
        """The op on matrices, one of which has equal rows."""
        b, form, whole = Symbolic(), self._form, (rows, columns)
        inputs = [
            input_node(Type(d, (columns,) if i == which else whole))
            for i, d in enumerate(form.dtypes)
        ]
        read = [b(broadcast_to, n, shape=whole) if n.shape != whole else n for n in inputs]
        return Graph(tuple(inputs), (b(form.op, *read, **form.attrs),))


def repeated_columns(array: Array) -> int:
    """The length of the row that an array repeats along its leading axes; 0 for another array."""
    columns, axis = 1, array.ndim
    while axis and (
        array.shape[axis - 1] == 1 or array.strides[axis - 1] == columns * array.itemsize
    ):
        axis -= 1
        columns *= array.shape[axis]
    rest = zip(array.shape[:axis], array.strides[:axis], strict=True)
    return columns if all(n == 1 or not stride for n, stride in rest) else 0
