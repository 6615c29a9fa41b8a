"""The exceptions that are raised on purpose: `except errors.ShapeError`. Re-exports only.

`docs/errors.md` explains each by its code.
"""

from __future__ import annotations

from chainrule.base.errors import (
    ArgumentError,
    AxisError,
    ChainruleError,
    CheckpointError,
    CompileError,
    ConfigError,
    DataError,
    DeviceError,
    DTypeError,
    GradcheckError,
    GradientError,
    IndexBoundsError,
    IndexKindError,
    KindError,
    LinAlgError,
    MissingError,
    MissingImportError,
    ModuleError,
    NonFiniteError,
    RegistrationError,
    ShapeError,
    SharingError,
    TraceError,
    UndefinedMethodError,
    VerifyError,
    WorkerError,
)

__all__ = [
    "ArgumentError", "AxisError", "ChainruleError", "CheckpointError", "CompileError",
    "ConfigError", "DTypeError", "DataError", "DeviceError", "GradcheckError", "GradientError",
    "IndexBoundsError", "IndexKindError", "KindError", "LinAlgError", "MissingError",
    "MissingImportError", "ModuleError", "NonFiniteError", "RegistrationError", "ShapeError",
    "SharingError", "TraceError", "UndefinedMethodError", "VerifyError", "WorkerError",
]  # fmt: skip
