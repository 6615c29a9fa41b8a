"""Facts from a running IPython or Jupyter: the names of cells, and its style of tracebacks.

IPython is never imported: a program that runs in it has done so already. Imports nothing.
Example: `cell_name("/tmp/ipykernel_7/123.py")` → "In[3]".
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


def shell() -> Any:
    """The running IPython shell, None outside of one."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()


def cell_name(file: str) -> str:
    """The label of the notebook cell whose code the file is; empty if it is not a cell."""
    running = shell()
    named = None if running is None else running.compile.format_code_name(file)
    return "" if named is None else str(named[1])


def in_its_style(error: BaseException, trace: TracebackType | None) -> list[str] | None:
    """The traceback in the shell's own style; None outside of one."""
    running = shell()
    if running is None:
        return None
    style = running.InteractiveTB
    lines: list[str] = style.structured_traceback(
        type(error), error, trace, tb_offset=style.tb_offset
    )
    return lines
