"""Results that are computed again from little instead of being written."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.dtypes import float32
from chainrule.compiler.calls.tails import tail_of
from chainrule.graph.node import Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic
from tests.tensor.deferred.running import evaluation


def test_a_broadcast_of_a_small_input_is_a_tail_and_a_product_of_large_ones_is_not():
    b = Symbolic()
    small, large = input_node(Type(float32, (256,))), input_node(Type(float32, (256, 256)))
    wide = b(TABLE["broadcast_to"], small, shape=(256, 256))
    cut = tail_of(wide, ())
    assert cut is not None
    assert cut.kept == (small,)
    assert tail_of(wide, {small}) is None  # it is overwritten
    assert tail_of(b(TABLE["mul"], large, wide), ()) is None  # more would be kept than written
    assert tail_of(large, ()) is None


def test_a_value_that_is_left_for_later_may_be_the_one_that_is_read():
    row = np.arange(300, dtype=np.float32)
    with evaluation("compiled"):
        wide = cr.tensor(row).expand(300, 300)
        np.testing.assert_array_equal(wide.numpy(), np.broadcast_to(row, (300, 300)))


@pytest.mark.parametrize("read", [(), (5,), (4, 5, 6)])
def test_the_dense_gradient_of_an_embedding_is_there_when_it_is_read(read):
    def run(way: str) -> list[np.ndarray]:
        with evaluation(way):
            cr.manual_seed(0)
            embed, out = nn.Embedding(2000, 16), nn.Linear(16, 2)
            optimizer = cr.optim.SGD([*embed.parameters(), *out.parameters()], lr=0.1)
            seen, kept = [], None
            for i in range(9):
                optimizer.zero_grad()
                out(embed(cr.tensor([i, 5, 5, 1999]))).square().mean().backward()
                optimizer.step()
                if i in read:
                    seen.append(embed.weight.grad.numpy())
                if i == 3:
                    kept = embed.weight.grad
            return [*seen, kept.numpy(), embed.weight.detach().numpy()]

    for found, expected in zip(run("compiled"), run("off"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
