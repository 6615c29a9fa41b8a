"""Everything that `Tensor` inherits from the families of functions, one part a family.

Example: `class Tensor(Methods, Handle)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from chainrule.base.missing import missing_method
from chainrule.tensor.methods.assign import AssignMethods
from chainrule.tensor.methods.bitwise import BitwiseMethods
from chainrule.tensor.methods.conversion import ConversionMethods
from chainrule.tensor.methods.device import DeviceMethods
from chainrule.tensor.methods.elementary import ElementaryMethods
from chainrule.tensor.methods.facts import FactMethods
from chainrule.tensor.methods.layout import LayoutMethods
from chainrule.tensor.methods.linear import LinearMethods
from chainrule.tensor.methods.new import NewMethods
from chainrule.tensor.methods.normalize import NormalizeMethods
from chainrule.tensor.methods.operators import Operators
from chainrule.tensor.methods.order import OrderMethods
from chainrule.tensor.methods.pointwise import PointwiseMethods
from chainrule.tensor.methods.random import RandomMethods
from chainrule.tensor.methods.reduce import ReduceMethods
from chainrule.tensor.methods.select import SelectMethods
from chainrule.tensor.methods.special import SpecialMethods


class Methods(
    PointwiseMethods,
    ElementaryMethods,
    SpecialMethods,
    BitwiseMethods,
    ReduceMethods,
    OrderMethods,
    LayoutMethods,
    SelectMethods,
    LinearMethods,
    NormalizeMethods,
    RandomMethods,
    DeviceMethods,
    NewMethods,
    ConversionMethods,
    FactMethods,
    AssignMethods,
    Operators,
):
    """All parts together."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker goes on knowing what is not there

        def __getattr__(self, name: str) -> NoReturn:
            """A method that does not exist here: the error names it, the line, and what is near."""
            raise missing_method(type(self).__name__, name, dir(type(self)))
