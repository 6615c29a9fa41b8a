"""The exception tree. Every class has a stable `code`; `docs/errors.md` explains each.

A message says what was wrong, where, and what to do. Each class also derives from the built-in
exception that PyTorch users catch. Imports nothing.
"""

from __future__ import annotations

from typing import ClassVar


class ChainruleError(Exception):
    """Root of all errors raised on purpose."""

    code: ClassVar[str] = "CR000"


class ShapeError(ChainruleError, RuntimeError, ValueError):
    """Shapes that do not fit together."""

    code = "CR101"


class DTypeError(ChainruleError, RuntimeError, TypeError):
    """Element types that do not fit the operation."""

    code = "CR102"


class IndexBoundsError(ChainruleError, IndexError):
    """An index outside the axis it selects from."""

    code = "CR103"


class DeviceError(ChainruleError, RuntimeError):
    """A device that does not exist here: there is only the CPU."""

    code = "CR104"


class ArgumentError(ChainruleError, ValueError):
    """A value outside what an argument accepts."""

    code = "CR105"


class MissingError(ChainruleError, AttributeError):
    """A name, perhaps of PyTorch's, that does not exist here."""

    code = "CR106"


class MissingImportError(ChainruleError, ImportError):
    """An import of a name or module that does not exist here."""

    code = "CR107"


class GradientError(ChainruleError, RuntimeError):
    """A gradient that is undefined, disconnected, or whose graph was released."""

    code = "CR201"


class GradcheckError(GradientError):
    """Analytic and numeric gradients differ; `report` says where, by how much, and why."""

    code = "CR202"

    def __init__(self, message: str, report: object = None) -> None:
        """Keep the report for whoever catches this."""
        super().__init__(message)
        self.report = report


class TraceError(ChainruleError, RuntimeError):
    """Something that a traced function cannot do, such as reading a value."""

    code = "CR301"


class CompileError(ChainruleError, RuntimeError):
    """A fault inside the compiler: always a bug of ours, never of the user's program."""

    code = "CR302"


class VerifyError(ChainruleError, AssertionError):
    """A graph, kernel or plan that breaks its own rules: always a bug of ours."""

    code = "CR303"


class ConfigError(ChainruleError, ValueError):
    """A configuration key or value that is not understood."""

    code = "CR401"


class DataError(ChainruleError, ValueError):
    """Training data that is empty, too short, unreadable or not text."""

    code = "CR402"


class CheckpointError(ChainruleError, RuntimeError):
    """A file that does not hold the state it should, or does not fit the model."""

    code = "CR403"


class WorkerError(ChainruleError, RuntimeError):
    """A background worker that reads data did not answer in time."""

    code = "CR404"
