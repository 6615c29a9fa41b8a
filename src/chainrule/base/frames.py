"""The frames of a traceback that are shown: those of the program, not those of the package.

The message of an error that was raised on purpose says what was wrong; the package's own frames
only get in the way. `install()` chains a hook before `sys.excepthook` for such errors, if nobody
caught them. `CHAINRULE_TRACEBACK=full` shows every frame. An environment variable that cannot be
read ends the program with one sentence and exit code 2. Nothing runs here before an error is shown.
Example: `own_frames(error.__traceback__)`. Imports base only, and only then.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from chainrule.base.errors import ChainruleError, ConfigError

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120 - pathlib costs 5 ms
_HIDDEN = (PACKAGE, "<frozen runpy", "<frozen importlib")


def is_own(file: str) -> bool:
    """Whether the file belongs to the program, not to the package or the import system."""
    return not file.startswith(_HIDDEN)


def entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    """The entries of a traceback, from the outermost call to the line that raised."""
    while trace is not None:
        yield trace
        trace = trace.tb_next


def own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the package's frames; unchanged if there are no others."""
    kept = [each for each in entries(trace) if is_own(each.tb_frame.f_code.co_filename)]
    short: TracebackType | None = None
    for each in reversed(kept):
        short = TracebackType(short, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return short or trace


@contextlib.contextmanager
def only_own_frames(error: BaseException) -> Iterator[None]:
    """Inside the block, the error and its causes have the program's frames only."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    whole = [each.__traceback__ for each in chain]
    try:
        for each in chain:
            if hasattr(each, "testify"):
                each.testify()  # the notes need all the frames
            each.__traceback__ = own_frames(each.__traceback__)
        yield
    finally:
        for each, trace in zip(chain, whole, strict=True):
            each.__traceback__ = trace


def render(error: ChainruleError) -> list[str]:
    """The lines of the traceback and the message, as IPython, else Python, prints them."""
    import traceback

    from chainrule.base.notebook import in_its_style

    with contextlib.nullcontext() if _whole() or error.is_ours else only_own_frames(error):
        lines = in_its_style(error, error.__traceback__)
        if lines is None:
            lines = "".join(traceback.format_exception(error)).rstrip("\n").split("\n")
    return lines


def install() -> None:
    """Chain the hooks before the present ones, for the main thread and the others.

    IPython and Jupyter ask the error itself.
    """
    ChainruleError._render_traceback_ = render
    shown, shown_in_thread = sys.excepthook, threading.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if _is_of_environment(error):
            with contextlib.suppress(Exception):
                print(f"error: {error}", file=sys.stderr)  # noqa: T201 - and no traceback
            raise SystemExit(2)
        if not _cuts(error) or _whole():
            shown(kind, error, trace)
            return
        with only_own_frames(error):
            shown(kind, error, error.__traceback__)

    def show_in_thread(args: Any) -> None:
        error = args.exc_value
        if not _cuts(error) or _whole():
            shown_in_thread(args)
            return
        with only_own_frames(error):
            cut = (args.exc_type, error, error.__traceback__, args.thread)
            shown_in_thread(threading.ExceptHookArgs(cut))

    sys.excepthook, threading.excepthook = show, show_in_thread


def _is_of_environment(error: BaseException) -> bool:
    """Whether an environment variable cannot be read."""
    from chainrule.base.settings import EnvironmentVariableError

    return isinstance(error, EnvironmentVariableError)


def _cuts(error: BaseException | None) -> bool:
    """Whether the error was raised on purpose, because of the program."""
    return isinstance(error, ChainruleError) and not error.is_ours


def _whole() -> bool:
    """Whether every frame is asked for."""
    from chainrule.base.settings import settings

    try:
        return settings().traceback
    except ConfigError:  # another variable cannot be read: now is not the moment to say so
        return False
