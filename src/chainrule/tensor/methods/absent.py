"""Methods of PyTorch's that do not exist here: asking for one says so, with its line and the page.

They are listed by name. A `__getattr__` would answer for every name, and with it Python would look
up each attribute of each tensor the slow way: seven times slower, at every operation. For any other
name Python itself says what is near.
Example: `x.stft` raises `MissingError`.
"""

from __future__ import annotations

from typing import NoReturn

from chainrule.base.missing import missing_method

ABSENT = frozenset(
    """
    angle apply_ as_strided_ as_subclass ccol_indices cdouble cfloat chalf char coalesce col_indices
    conj conj_physical conj_physical_ const_data_ptr corrcoef cov crow_indices data_ptr dense_dim
    dequantize dim_order eig frexp gcd gcd_ geqrf grad_dtype hardshrink hash_tensor histogram igamma
    igamma_ igammac igammac_ imag indices int_repr ipu is_coalesced is_conj is_distributed
    is_inference is_ipu is_maia is_mkldnn is_mtia is_neg is_nested is_set_to is_vulkan is_xla istft
    lcm lcm_ lstsq lu lu_solve map2_ map_ matrix_exp module_load mtia name new_empty_strided
    nextafter nextafter_ nonzero_static orgqr ormqr output_nr prelu qscheme record_stream reinforce
    renorm renorm_ resize resize_as resolve_conj resolve_neg row_indices short slice_inverse smm
    solve sspaddmm stft storage_type symeig to_dense to_mkldnn to_padded_tensor values volatile
    """.split()  # noqa: SIM905 - a list of that length is no easier to read
)


class _Absent:
    """Raises at every look, on a tensor and on the class, so that `hasattr` is False."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise missing_method(owner.__name__, self.name, dir(owner))


class _Listing(type):
    """What `dir()` lists of a class: nothing that raises."""

    def __dir__(cls) -> list[str]:
        return sorted({*super().__dir__()} - ABSENT)


class AbsentMethods(metaclass=_Listing):
    """The last part of `Methods`."""

    __slots__ = ()
    vars().update({name: _Absent(name) for name in ABSENT})  # at once: `setattr` costs 1.5 ms

    def __dir__(self) -> list[str]:
        """What exists."""
        return sorted({*super().__dir__()} - ABSENT)
