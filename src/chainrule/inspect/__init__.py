"""Inspection of computations: gradient checks, explanations, pictures, and causes of failures.

May import everything below `train`'s floor. Re-exports only.
"""

from __future__ import annotations

from chainrule.inspect.claim import check_gradient
from chainrule.inspect.draw import draw
from chainrule.inspect.explain import explain
from chainrule.inspect.flight.recorder import FlightRecorder
from chainrule.inspect.flight.verdicts import Verdict
from chainrule.inspect.gradcheck import gradcheck, gradcheck_module
from chainrule.inspect.no_gradient import why_no_grad
from chainrule.inspect.nonfinite.detection import detect_anomaly, why_nan
from chainrule.inspect.nonfinite.report import NonFinite
from chainrule.inspect.profiling.session import profile
from chainrule.inspect.saved import saved_for_backward
from chainrule.inspect.through_time.measure import gradient_through_time
from chainrule.inspect.verdict import Report

__all__ = [
    "FlightRecorder", "NonFinite", "Report", "Verdict", "check_gradient", "detect_anomaly", "draw",
    "explain", "gradcheck", "gradcheck_module", "gradient_through_time", "profile",
    "saved_for_backward", "why_nan", "why_no_grad",
]  # fmt: skip


def __dir__() -> list[str]:
    """The public names, without submodules."""
    return sorted(__all__)
