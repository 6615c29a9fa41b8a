"""A new op in one record: softsign(x) = x / (1 + |x|). Explained in docs/adding_an_op.md."""

import numpy as np

import chainrule as cr

# the op
from chainrule.ops.arithmetic import abs_, add, div, mul
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.record import Formula


def _vjp(b, node, ct):
    """Upstream × local: ct / (1 + |x|)², as nodes."""
    x = node.inputs[0]
    below = b(add, b(abs_, x), filled(b, 1, x))
    return (b(div, ct, b(mul, below, below)),)


def _emit(k, node, x):
    """The same as tile primitives, for the kernel."""
    below = k("add", k("abs", x), k("const", attr=(1.0, node.dtype)))
    return k("div", x, below)


softsign = record(
    "softsign",
    lambda x: x / (1 + np.abs(x)),
    1,
    kinds=FLOATS,
    vjp=_vjp,
    saves=(0,),
    emit=_emit,
    formula=Formula("x / (1 + abs(x))", ("1 / (1 + abs(x)) ** 2",)),
)
# what it gives
from chainrule.tensor.dispatch import apply  # noqa: E402 - the page shows the part above


def slope(x):
    """d softsign / dx at every entry of x."""
    p = cr.tensor(x, requires_grad=True)
    apply(softsign, p).sum().backward()
    return p.grad


x = np.linspace(-2, 2, 5, dtype=np.float32)
print("value   ", apply(softsign, cr.tensor(x)).tolist())
print("slope   ", slope(x).tolist())
compiled = cr.compile(lambda t: apply(softsign, t))
print("compiled", compiled(x).tolist())
assert np.allclose(compiled(x).numpy(), x / (1 + np.abs(x)))
assert np.allclose(slope(x).numpy(), 1 / (1 + np.abs(x)) ** 2)
