"""Everything that `Tensor` inherits from the families of functions, one part a family.

Example: `class Tensor(Methods, Handle)`.
"""

from __future__ import annotations

from chainrule.tensor.methods.absent import AbsentMethods
from chainrule.tensor.methods.activation import ActivationMethods
from chainrule.tensor.methods.arithmetic import ArithmeticMethods
from chainrule.tensor.methods.assign import AssignMethods
from chainrule.tensor.methods.bessel import BesselMethods
from chainrule.tensor.methods.bitwise import BitwiseMethods
from chainrule.tensor.methods.cast import CastMethods
from chainrule.tensor.methods.comparison import ComparisonMethods
from chainrule.tensor.methods.creation import CreationMethods
from chainrule.tensor.methods.cumulative import CumulativeMethods
from chainrule.tensor.methods.exponential import ExponentialMethods
from chainrule.tensor.methods.factorizations import FactorizationMethods
from chainrule.tensor.methods.facts import FactMethods
from chainrule.tensor.methods.gamma import GammaMethods
from chainrule.tensor.methods.gather import GatherMethods
from chainrule.tensor.methods.gaussian import GaussianMethods
from chainrule.tensor.methods.layout import LayoutMethods
from chainrule.tensor.methods.linear_systems import LinearSystemMethods
from chainrule.tensor.methods.normalize import NormalizeMethods
from chainrule.tensor.methods.operators import Operators
from chainrule.tensor.methods.products import ProductMethods
from chainrule.tensor.methods.random import RandomMethods
from chainrule.tensor.methods.reduce import ReduceMethods
from chainrule.tensor.methods.scatter import ScatterMethods
from chainrule.tensor.methods.search import SearchMethods
from chainrule.tensor.methods.sort import SortMethods
from chainrule.tensor.methods.trigonometry import TrigonometryMethods


class Methods(
    ArithmeticMethods,
    ComparisonMethods,
    ExponentialMethods,
    TrigonometryMethods,
    ActivationMethods,
    GaussianMethods,
    GammaMethods,
    BesselMethods,
    BitwiseMethods,
    ReduceMethods,
    CumulativeMethods,
    SortMethods,
    SearchMethods,
    LayoutMethods,
    GatherMethods,
    ScatterMethods,
    ProductMethods,
    LinearSystemMethods,
    FactorizationMethods,
    NormalizeMethods,
    RandomMethods,
    CreationMethods,
    CastMethods,
    FactMethods,
    AssignMethods,
    Operators,
    AbsentMethods,
):
    """All parts together."""

    __slots__ = ()
