"""A new op in one record: softsign(x) = x / (1 + |x|). Explained in docs/adding_an_op.md."""

import numpy as np

import chainrule as cr

# the op
from chainrule.ops.elementwise import FLOATS, elementwise

softsign = elementwise("softsign", "x / (1 + abs(x))", "1 / (1 + abs(x)) ** 2", kinds=FLOATS)
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
