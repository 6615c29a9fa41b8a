"""The exception tree. Every class has a stable `code`; `docs/errors.md` explains each.

A message says what was wrong and what to do. The notes below it say where: the layer, the lines
that made the tensors, the code. Notes are computed from the traceback when they are read, so
raising stays cheap. Each class also derives from the built-in exception that PyTorch users catch.
Imports nothing of the project.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    # of all operands, or by argument; None: of no axis
    Axis: TypeAlias = int | Mapping[str, int | None] | None

HELP = "chainrule help"  # the command that explains a code: installed with the package
_HOME = f"{__name__.partition('.')[0]}.errors"


class ChainruleError(Exception):
    """Root of all errors raised on purpose."""

    __module__ = _HOME
    code: ClassVar[str] = "CR000"
    is_ours: ClassVar[bool] = False  # a fault of the package: all its frames are shown
    axis: Axis  # the axis at fault: the notes say where its size comes from
    hint: Callable[[], str] | None = None  # called when the error is shown
    operands: tuple[tuple[str, Any], ...] = ()  # tensors by name, if no frame has them
    is_late: bool = False  # raised after its line: the frames are those of whoever reads the value
    _render_traceback_: ClassVar[Callable[[ChainruleError], list[str]]]  # set by `frames.install`
    witnesses: ClassVar[dict[str, Callable[[ChainruleError], list[str]]]] = {}  # by rooms above
    _own: list[str]  # from `add_note`
    _said: list[str] | None = None  # the witnesses' lines, once `testify` has kept them

    def __init__(self, message: str = "", *, axis: Axis = None, **known: Any) -> None:
        """`axis` is the axis at fault; `known` goes to the built-in exception."""
        super().__init__(message, **known)
        self.axis = axis

    def __init_subclass__(cls) -> None:
        """Errors are known by their public home, `chainrule.errors`."""
        if cls.__module__ == __name__:
            cls.__module__ = _HOME

    @property
    def __notes__(self) -> list[str]:
        """The lines below the message: where it happened, what was added, the code."""
        said = self._testimony() if self._said is None else self._said
        return [
            *said,
            *self.added_notes,
            f"  {self.code}: {HELP} {self.code} says more",
        ]

    @__notes__.setter
    def __notes__(self, notes: list[str]) -> None:
        self._own = list(notes)

    def testify(self) -> None:
        """Keep the notes, before frames are cut from the traceback."""
        self._said = self._testimony()

    def _testimony(self) -> list[str]:
        """The notes about the layers and the tensors in the traceback, in that order."""
        rooms = () if self.is_late else ("layers", "tensors")
        named = (self.witnesses.get(name) for name in rooms)
        lines = [] if self.hint is None else [self.hint()]
        for witness in filter(None, named):
            with contextlib.suppress(Exception):  # a failing note must not hide its error
                lines += witness(self)
        return [f"  {line}" for line in lines if line]

    def add_note(self, note: str, /) -> None:
        """Add a line below the message."""
        self._own = [*self.added_notes, note]

    @property
    def added_notes(self) -> list[str]:
        """The lines of `add_note`, without the computed ones."""
        return list(self.__dict__.get("_own", ()))


class ShapeError(ChainruleError, RuntimeError, ValueError):
    """Shapes that do not fit together."""

    code = "CR101"


class AxisError(ShapeError, IndexError):
    """An axis the tensor does not have, or an empty one; more indices than axes."""

    code = "CR112"


class DTypeError(ChainruleError, RuntimeError, TypeError):
    """Element types that do not fit the operation."""

    code = "CR102"


class IndexKindError(DTypeError, IndexError):
    """An object that is not an index: a float, a string."""

    code = "CR114"


class IndexBoundsError(ChainruleError, IndexError, RuntimeError):
    """An index outside the axis it selects from."""

    code = "CR103"

    def __init__(
        self, message: str = "", *, found: tuple[int, str] | None = None, axis: Axis = None
    ) -> None:
        """`found` is the index and, in words, its position among the others."""
        super().__init__(message, axis=axis)
        self.found = found


class DeviceError(ChainruleError, RuntimeError):
    """A device other than the CPU."""

    code = "CR104"


class ArgumentError(ChainruleError, RuntimeError, ValueError):
    """A value outside what an argument accepts."""

    code = "CR105"


class MissingError(ChainruleError, AttributeError):
    """A name, perhaps of PyTorch's, that does not exist here."""

    code = "CR106"


class MissingImportError(ChainruleError, ImportError):
    """An import of a name or module that does not exist here."""

    code = "CR107"


class KindError(ChainruleError, TypeError):
    """A Python object of a type that an argument does not take."""

    code = "CR108"


class ModuleError(ChainruleError, AttributeError):
    """A module that lacks an attribute, often because it is not set up yet."""

    code = "CR109"


class UndefinedMethodError(ChainruleError, NotImplementedError):
    """A method that a subclass must define."""

    code = "CR110"


class RegistrationError(ChainruleError, KeyError):
    """A name that a module has not registered, or cannot register."""

    code = "CR111"
    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class SharingError(ChainruleError, BufferError):
    """Memory that cannot be shared with another library as requested."""

    code = "CR113"


class GradientError(ChainruleError, RuntimeError):
    """A gradient that is undefined, disconnected, or whose graph was released."""

    code = "CR201"


class LinAlgError(ChainruleError, RuntimeError):
    """A matrix for which a linear algebra function is undefined, such as a singular one."""

    code = "CR204"


class GradcheckError(GradientError):
    """Analytic and numeric gradients differ; `report` says where, by how much, and why."""

    code = "CR202"

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class NonFiniteError(GradientError):
    """NaN or infinity in a loss, a gradient or an update; `report` says where it comes from."""

    code = "CR203"

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class TraceError(ChainruleError, RuntimeError):
    """An operation that a traced function cannot do, such as reading a value."""

    code = "CR301"


class CompileError(ChainruleError, RuntimeError):
    """An internal error of the compiler: always a bug of the package, never of the program."""

    code = "CR302"
    is_ours = True


class VerifyError(ChainruleError, AssertionError):
    """A graph, kernel or plan that breaks its rules: always a bug of the package."""

    code = "CR303"
    is_ours = True


class ConfigError(ChainruleError, ValueError):
    """A configuration key or value that is not valid."""

    code = "CR401"


class DataError(ChainruleError, ValueError):
    """Training data that is empty, too short, unreadable or not text."""

    code = "CR402"


class CheckpointError(ChainruleError, RuntimeError):
    """A file without the expected state, or with one that does not fit the model."""

    code = "CR403"


class WorkerError(ChainruleError, RuntimeError):
    """A data loading worker that did not answer in time."""

    code = "CR404"
