"""`Tensor`: the class that users see. Its methods are the functions of `tensor/functional`.

Example: `x = tensor([1.0, 2.0], requires_grad=True); (x * x).sum().backward(); x.grad`.
Source of names and conventions: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import (
    ArgumentError,
    ChainruleError,
    DeviceError,
    GradientError,
    KindError,
    ShapeError,
)
from chainrule.base.shapes import normal_axis
from chainrule.base.source import warn
from chainrule.ops import TABLE
from chainrule.tensor import exchange, hooks, leaf_grad
from chainrule.tensor.convert import (
    as_array,
    as_dtype,
    as_tensor,
    cast,
    check_device,
    get_default_dtype,
    own,
)
from chainrule.tensor.device import CPU, device, names_device
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import layout, slices
from chainrule.tensor.functional.layout import view_of
from chainrule.tensor.grad_fn import GradFn
from chainrule.tensor.handle import NOT_KEPT, Handle
from chainrule.tensor.memory import memory
from chainrule.tensor.methods.table import Methods
from chainrule.tensor.modes import modes, no_grad
from chainrule.tensor.printing import shown

__all__ = ["Tensor"]


_NO_LEAF = (
    "the gradient of a computed tensor is not kept: only leaves have a .grad\n"
    "  call x.retain_grad() before backward()"
)


class Tensor(Methods, Handle, final=True):
    """An array that can be differentiated; `tensor()`, `zeros()`, `randn()` and others make one."""

    def __init__(self, data: Any = ()) -> None:
        """A float tensor of `data`; prefer `tensor(data)`."""
        if isinstance(data, Handle):
            data = data._concrete("Tensor()")
        self._value = as_array(data, get_default_dtype())
        self._type = None
        self._node = None
        self._requires_grad = False
        self._grad = None
        self._lens = None
        self._version = 0

    # -- gradients ------------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, None before the first backward()."""
        found = leaf_grad.get_grad(self)
        if found is None and not self.is_leaf and not self.retains_grad:
            warn(_NO_LEAF)
        return found

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        leaf_grad.set_grad(self, value)

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
        inputs: Any = None,
    ) -> None:  # fmt: skip
        """Add ∂self/∂leaf to the `.grad` of every leaf below, or of `inputs` only.

        The graph's saved values are released unless `retain_graph`.
        """
        from chainrule.tensor.backward import backward  # not needed to import the package

        chosen = [inputs] if isinstance(inputs, Handle) else inputs
        retain = create_graph if retain_graph is None else retain_graph
        backward([self], [gradient], retain_graph=retain, create_graph=create_graph, inputs=chosen)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad`; returns the tensor."""
        self.requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """A view of the same values outside autograd."""
        return view_of(self, _detached, _same_graph, lambda at: at, detaches=True)

    @property
    def data(self) -> Tensor:
        """The same values outside autograd: reading detaches, writing rebinds this tensor."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        with no_grad():
            self._rebind(as_tensor(value).detach())

    @property
    def grad_fn(self) -> Any:
        """A view of the node that computed this tensor; None for a leaf."""
        return None if self.is_leaf else GradFn(self._tape_node())

    register_hook = hooks.register_hook
    register_post_accumulate_grad_hook = hooks.register_post_accumulate_grad_hook
    retain_grad = hooks.retain_grad
    retains_grad = property(hooks.retains_grad)

    def _write(self, new: Handle) -> None:
        """Every in-place operation: check, convert to the dtype, broadcast, rebind."""
        root: Handle = self if self._lens is None else self._lens.root
        if modes.grad and root.requires_grad and root.is_leaf and self.requires_grad:
            raise GradientError(
                "a leaf that requires grad cannot be changed in place while gradients are "
                "recorded\n  do it under no_grad(), or on a copy (x.clone())"
            )
        dtype, shape = self.array_type
        given = new.array_type
        if given.dtype is not dtype:
            if dtypes.higher_kind(given.dtype, dtype):
                raise ArgumentError(
                    f"a {given.dtype} result does not fit a {dtype} tensor\n  make the result "
                    "a new tensor (x = x / 2), or convert the tensor first (x.float())"
                )
            new = cast(new, dtype)
        if given.shape != shape:
            raise ArgumentError(f"a result of shape {given.shape} does not fit shape {shape}")
        self._rebind(new)

    # -- values ---------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The values as a read-only NumPy array, without a copy."""
        if self.requires_grad and not force:
            raise GradientError("numpy() of a tensor that requires grad\n  use x.detach().numpy()")
        array = self._concrete("numpy()").view()
        array.flags.writeable = False
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """NumPy's protocol: `np.asarray(x)`."""
        array = self._concrete("np.asarray()")
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        if copy:
            return array.copy()
        array = array.view()
        array.flags.writeable = False
        return array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        from chainrule.tensor import numpy_calls  # not needed to import the package

        return numpy_calls.call_ufunc(ufunc, method, *inputs, **options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        from chainrule.tensor import numpy_calls  # likewise

        return numpy_calls.call_function(function, types, inputs, options)

    __dlpack__ = exchange.export
    __dlpack_device__ = exchange.device_of

    def item(self) -> Any:
        """The single element as a Python number."""
        return self._single("item()")

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self._concrete("tolist()").tolist()

    def __bool__(self) -> bool:
        return bool(self._single("a choice (if, while, and …)"))

    def __float__(self) -> float:
        return float(self._single("float()"))

    def __int__(self) -> int:
        return int(self._single("int()"))

    def __index__(self) -> int:
        if self.dtype.kind == "float":
            raise KindError(f"only integer tensors can be an index, not {self.dtype}")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise KindError("len() of a 0-d tensor")
        return self.array_type.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        """The slices along the first axis."""
        if not self.shape:
            raise KindError("a 0-d tensor cannot be iterated over: x.item() is its value")
        return iter(slices.unbind(self))

    def __hash__(self) -> int:
        """Identity: tensors can be keys, as in PyTorch."""
        return id(self)

    def __repr__(self) -> str:
        """The values in NumPy's format, the dtype, and the gradient's state."""
        node = self._symbol()
        if node is not None and not (modes.trace is not None and modes.trace.has_values):
            return f"tensor(<symbol {node.type}>)"
        text = shown(self._concrete("repr()"), "tensor(")
        notes = []
        if self.dtype not in {dtypes.float32, dtypes.int64, dtypes.bool_}:
            notes.append(f", dtype={self.dtype}")
        if self.requires_grad:
            made = "" if self.is_leaf else self.grad_fn.name()
            notes.append(f", grad_fn=<{made}>" if made else ", requires_grad=True")
        return f"tensor({text}{''.join(notes)})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self.shape else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A leaf with its own values."""
        if not self.is_leaf:
            raise GradientError("only leaf tensors can be deep-copied; detach() first")
        cls = type(self)
        out = cls.__new__(cls)
        memo[id(self)] = out
        out._value = self._concrete("deepcopy").copy()
        out._type, out._node, out._lens, out._version = None, None, None, 0
        out._requires_grad = self._requires_grad
        grad = None if self._grad is NOT_KEPT else self._grad
        out._grad = None if grad is None else grad.detach().clone()
        return out

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickled as values: the graph and the gradient stay behind."""
        del protocol
        return _restored, (type(self), self._concrete("pickling"), self.requires_grad)

    # -- facts ----------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def dim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one axis' size."""
        return self.shape if dim is None else self.shape[normal_axis(dim, len(self.shape))]

    def numel(self) -> int:
        """Number of elements."""
        return self.array_type.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    @property
    def device(self) -> device:
        """Always the CPU."""
        return CPU

    @property
    def T(self) -> Tensor:  # noqa: N802 - PyTorch's name
        """The transposed matrix; for other ranks, which PyTorch discourages, all axes reversed."""
        return layout.permute(self, tuple(reversed(range(len(self.shape)))))

    @property
    def mT(self) -> Tensor:  # noqa: N802 - PyTorch's name
        """The last two axes exchanged."""
        if len(self.shape) < 2:
            raise ShapeError(f"mT needs at least 2 axes, not shape {self.shape}")
        return layout.transpose(self, -2, -1)

    @property
    def H(self) -> Tensor:  # noqa: N802 - PyTorch's name
        """The transposed matrix (numbers are real)."""
        if len(self.shape) not in {0, 2}:
            raise ShapeError(f"H needs a matrix, not shape {self.shape}; use mH")
        return self.T

    @property
    def mH(self) -> Tensor:  # noqa: N802 - PyTorch's name
        """The last two axes exchanged (numbers are real)."""
        return self.mT

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements are in row-major order; only a view's may not be."""
        del memory_format
        return self._lens is None or memory(self).is_contiguous

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """The tensor itself, or a row-major copy of a view."""
        return self if self.is_contiguous(memory_format) else self.clone()

    # -- conversion -----------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """The tensor in another dtype: `x.to(float64)`, `x.to(other)`; the device is the CPU."""
        dtype = kwargs.get("dtype")
        check_device(kwargs.get("device"))
        for a in args:
            if isinstance(a, Handle):
                dtype = a.dtype
            elif names_device(a):
                check_device(a)
            elif isinstance(a, (DType, type, str, np.dtype)):
                dtype = a
            elif not isinstance(a, bool) and a is not None:
                raise DeviceError(f"cannot move a tensor to {a!r}: use 'cpu' or a dtype")
        out = self if dtype is None else cast(self, as_dtype(dtype))
        return own(out) if out is self and kwargs.get("copy") else out

    def type_as(self, other: Handle) -> Tensor:
        """With the dtype of `other`."""
        return cast(self, other.dtype)

    def cpu(self) -> Tensor:
        """The tensor itself."""
        return self

    def clone(self, *, memory_format: Any = None) -> Tensor:
        """The same value in a new tensor, with gradient."""
        del memory_format
        return apply(TABLE["reshape"], self, shape=self.shape)


def _restored(cls: type[Tensor], value: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    """The unpickled tensor, a leaf."""
    out = cls(wrap(value))
    out._value, out._type = value, None
    out.requires_grad = requires_grad
    return out


def _detached(base: Handle) -> Tensor:
    if modes.trace is not None:
        with no_grad():
            return apply(TABLE["detach"], base)
    base._ready("detach()")
    return wrap(base._value, type=base._type)


def _same_graph(base: Handle, new: Handle) -> Tensor:
    """A write through `.data`: new values, outside autograd."""
    del base
    return _detached(new)


def _told(error: ChainruleError) -> list[str]:
    """The origin of the operands of an error that is shown."""
    from chainrule.tensor.origin import told  # not needed to import the package

    return told(error)


ChainruleError.witnesses["tensors"] = _told
