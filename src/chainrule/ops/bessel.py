"""Modified Bessel functions of the first kind, orders 0 and 1; i0e and i1e times exp(-|x|).

Chebyshev series fitted for this file to 60 digits: in x/4 - 1 up to 8, in 16/x - 1 beyond. Errors
against mpmath: see `tests/ops/test_special.py`. Example: `i0e(0)` = 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.arithmetic import add, div, mul, sign, sub
from chainrule.ops.compare import eq, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, Vjp, record
from chainrule.ops.expression import Number, both, chebyshev
from chainrule.ops.record import OUT, Builder, Op

# i0e(x) and i1e(x)/x up to 8; beyond, both times √x. Highest degree first
_I0_NEAR = (
    -4.4153289985338415e-18, 3.330794382266714e-17, -2.4312798451118203e-16,
    1.7153912855404112e-15, -1.168533287799198e-14, 7.676185498604921e-14, -4.856446783111929e-13,
    2.95505266312964e-12, -1.726826291441556e-11, 9.675809035373237e-11, -5.189795601635263e-10,
    2.6598237246823866e-09, -1.300025009986248e-08, 6.046995022541919e-08, -2.670793853940612e-07,
    1.1173875391201037e-06, -4.4167383584587505e-06, 1.6448448070728896e-05,
    -5.754195010082104e-05, 0.00018850288509584165, -0.0005763755745385824, 0.0016394756169413357,
    -0.004324309995050576, 0.010546460394594998, -0.02373741480589947, 0.04930528423967071,
    -0.09490109704804764, 0.17162090152220877, -0.3046826723431984, 0.33839763720473803,
)  # fmt: skip
_I0_FAR = (
    1.1937119008296829e-18, 9.921602293136625e-19, -7.233197098035753e-18,
    -4.8305029007498465e-18, 4.465621750561301e-17, 3.4612227363393705e-17,
    -2.8276239842056236e-16, -3.425485615467077e-16, 1.7725601330086068e-15,
    3.811680669268027e-15, -9.55484669878791e-15, -4.1505693472865785e-14, 1.540086217520184e-14,
    3.852778382742172e-13, 7.180124451383686e-13, -1.7941785315068076e-12,
    -1.3215811840447713e-11, -3.1499165279632416e-11, 1.1889147107846437e-11,
    4.94060238822497e-10, 3.3962320257083865e-09, 2.266668990498178e-08, 2.0489185894690638e-07,
    2.8913705208347567e-06, 6.889758346916825e-05, 0.0033691164782556943, 0.4022452055070544,
)  # fmt: skip
_I1_NEAR = (
    2.7779140265404403e-18, -2.1114212134783494e-17, 1.5536319577274422e-16,
    -1.1055969477353012e-15, 7.600684294735398e-15, -5.042185504727912e-14, 3.223793365945575e-13,
    -1.9839743977649436e-12, 1.1736186298890901e-11, -6.663489723502027e-11,
    3.625590281552117e-10, -1.8872497517228294e-09, 9.381537386495773e-09, -4.445059128796328e-08,
    2.0032947535521353e-07, -8.568720264695455e-07, 3.4702513081376785e-06,
    -1.3273163656039436e-05, 4.781565107550054e-05, -0.00016176081582589674,
    0.0005122859561685758, -0.0015135724506312532, 0.004156422944312888, -0.010564084894626197,
    0.024726449030626516, -0.05294598120809499, 0.1026436586898471, -0.17641651835783406,
    0.12629359322181682,
)  # fmt: skip
_I1_FAR = (
    -1.24225444174352e-18, -9.314316495303127e-19, 7.517313219219004e-18, 4.414346892475619e-18,
    -4.650305709445141e-17, -3.209525791047657e-17, 2.9626290015866564e-16, 3.308202306643791e-16,
    -1.880354775466536e-15, -3.8144030723496664e-15, 1.042027698408835e-14, 4.272440016711245e-14,
    -2.1015418427714147e-14, -4.083551111092226e-13, -7.198551776245929e-13,
    2.035628544147091e-12, 1.4125807436613782e-11, 3.2526035830154884e-11,
    -1.8974958123505413e-11, -5.589743462196584e-10, -3.835380385964237e-09,
    -2.6314688468895196e-08, -2.512236237870209e-07, -3.882564808877691e-06,
    -0.00011058893876262371, -0.009761097491361469, 0.38928811750914005,
)  # fmt: skip
_END = 8.0


def _i0e(x: Number) -> Number:
    size = abs(x)
    near = chebyshev(size.call("min", _END) * 0.25 - 1.0, _I0_NEAR)
    far = size.call("max", _END)
    return (size > _END).where(chebyshev(16.0 / far - 1.0, _I0_FAR) / far.call("sqrt"), near)


def _i1e(x: Number) -> Number:
    size = abs(x)
    near = size * chebyshev(size.call("min", _END) * 0.25 - 1.0, _I1_NEAR)
    far = size.call("max", _END)
    out = (size > _END).where(chebyshev(16.0 / far - 1.0, _I1_FAR) / far.call("sqrt"), near)
    return (x < 0.0).where(-out, out)


def _i0_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    return (b(mul, ct, b(i1, node.inputs[0])),)


def _over_x(b: Builder, node: Node) -> Node:
    """The node divided by its input, 1/2 at 0."""
    x = node.inputs[0]
    origin = b(eq, x, filled(b, 0, x))
    ratio = b(div, node, b(where, origin, filled(b, 1, x), x))
    return b(where, origin, filled(b, 0.5, x), ratio)


def _i1_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    return (b(mul, ct, b(sub, b(i0, node.inputs[0]), _over_x(b, node))),)


def _i0e_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    x = node.inputs[0]
    return (b(mul, ct, b(sub, b(i1e, x), b(mul, b(sign, x), node))),)


def _i1e_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    x = node.inputs[0]
    rest = b(add, b(mul, b(sign, x), node), _over_x(b, node))
    return (b(mul, ct, b(sub, b(i0e, x), rest)),)


def _grown(scaled: Callable[[Number], Number]) -> Callable[[Number], Number]:
    return lambda x: abs(x).call("exp") * scaled(x)


def _op(name: str, formula: Callable[[Number], Number], vjp: Vjp, *saves: int) -> Op:
    form = both(formula)
    return record(
        name,
        form.numpy,
        1,
        vjp=vjp,
        saves=saves,
        emit=form.emit,
        kinds=FLOATS,
        domain=(0.1, 12.0),
        nasty=(0.0, -0.0, 1e-30, 8.0, -8.0, 30.0, np.nan),
    )


i0: Op = _op("i0", _grown(_i0e), _i0_vjp, 0)
i1: Op = _op("i1", _grown(_i1e), _i1_vjp, 0, OUT)
i0e: Op = _op("i0e", _i0e, _i0e_vjp, 0, OUT)
i1e: Op = _op("i1e", _i1e, _i1e_vjp, 0, OUT)

TABLE = (i0, i1, i0e, i1e)
