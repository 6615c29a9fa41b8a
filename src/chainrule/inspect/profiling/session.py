"""`profile`: time and memory of a stretch of a program, by line and by layer.

    with cr.profile() as p:
        for x, y in batches:
            step(x, y)
    print(p)                              # the lines and the layers that took longest
    p.write_html("profile.html")          # a flame graph
    p.export_chrome_trace("trace.json")   # a time line

May import what lies below; what measures is imported when a profile begins.
"""

from __future__ import annotations

import sys
import threading
from contextlib import AbstractContextManager, ContextDecorator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Self

from chainrule.base.errors import ArgumentError
from chainrule.base.frames import is_own

if TYPE_CHECKING:
    from chainrule.inspect.profiling.marks import Stretch
    from chainrule.inspect.profiling.observer import Observer
    from chainrule.inspect.profiling.rows import By, Row, Sum


class profile(ContextDecorator):  # noqa: N801 - as PyTorch's
    """Measure a `with` block, or the calls of a function that it decorates.

    What is measured is what really runs on this thread: operations one by one, compiled programs by
    their kernels. Backward and compiled code belong to the line that wrote the operation, not to
    the line that started it. All times are wall-clock seconds and add up to `seconds`:

    - `forward`, `backward`: operations, and kernels of compiled programs. What was measured for
      several lines together is divided by an estimate of their work, and counted in `estimated`;
    - `compile`: tracing and compiling;
    - `python`: everything else, such as Python itself, reading files, and waiting.

    `size` is the bytes of the results that were made, of freed ones too. `peak_bytes` is the most
    memory that the whole process has had since it began.

    A profile used again goes on. Raises ArgumentError for one that runs already. Without a profile
    nothing of this costs any time.
    """

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self._observers: list[Observer] = []
        self._running: AbstractContextManager[Observer] | None = None
        self._rows: list[Row] | None = None
        self._peak: int | None = None

    def __enter__(self) -> Self:
        """Begin to measure the calling thread."""
        self.start(sys._getframe(1))  # noqa: SLF001 - contexts begin at the calling frame
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it measures now."""
        return self._running is not None

    def start(self, base: FrameType | None = None) -> None:
        """Begin, as a `with` block does; contexts begin at the frame `base`, or the caller's.

        If that is the package's, it is about to run a script: contexts begin there.
        """
        from chainrule.inspect.profiling.observing import observing

        if self._running is not None:
            raise ArgumentError("the profile is running: end it first, or make another profile()")
        self._rows = None
        base = base or sys._getframe(1)  # noqa: SLF001
        self._running = observing(base if is_own(base.f_code.co_filename) else None)
        self._observers.append(self._running.__enter__())

    def stop(self) -> None:
        """End; a profile that does not run stays as it is.

        Raises ArgumentError in another thread than the one that began it.
        """
        from chainrule.inspect.profiling.memory import peak_bytes

        if self.running and self._observers[-1].thread != threading.get_ident():
            raise ArgumentError("a profile ends in the thread that began it, which it measures")
        running, self._running = self._running, None
        if running is not None:
            running.__exit__(None, None, None)
            self._peak = peak_bytes()

    # -- results --------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Wall-clock seconds that were profiled, without the profile's own."""
        return sum(o.end - o.start - o.own for o in self._observers) / 1e9

    @property
    def own_seconds(self) -> float:
        """Seconds that the profile itself took meanwhile: no line is charged with them."""
        return sum(o.own for o in self._observers) / 1e9

    @property
    def peak_bytes(self) -> int | None:
        """The most memory the process has had since it began; None where nobody counts it."""
        return self._peak

    @property
    def rows(self) -> list[Row]:
        """Everything that was measured; the seconds add up to `seconds`."""
        from chainrule.inspect.profiling.rows import rows

        if self._running is not None:
            raise ArgumentError("the profile is still running: its results are there at its end")
        if self._rows is None:
            self._rows = [row for observer in self._observers for row in rows(observer)]
        return self._rows

    @property
    def marks(self) -> dict[str, Stretch]:
        """The stretches that `record_function` named, by name."""
        from chainrule.inspect.profiling.marks import Stretch

        found: dict[str, Stretch] = {}
        for observer in self._observers:
            for name, (time, calls, python) in observer.marks.items():
                before = found.get(name, Stretch(0.0, 0, 0.0))
                found[name] = Stretch(
                    before.seconds + time / 1e9, before.calls + calls, before.python + python / 1e9
                )
        return found

    def by(self, what: By) -> list[Sum]:
        """Sums for each "line", "layer" (with those inside it) or "operation", longest first."""
        from chainrule.inspect.profiling.rows import SUMS

        if what not in SUMS:
            raise ArgumentError(f"by={what!r} is not one of {', '.join(SUMS)}")
        return SUMS[what](self.rows)

    def table(self, by: By = "line", *, rows: int = 20) -> str:
        """A table of the `rows` longest; see `by`."""
        from chainrule.inspect.profiling.tables import table

        return table(by, self.by(by), self.seconds, rows)

    def __str__(self) -> str:
        """The sums, and the lines and layers that took longest."""
        from chainrule.inspect.profiling.tables import text

        return text(self)

    def _repr_html_(self) -> str:
        """The page, in a frame of the notebook."""
        from html import escape

        from chainrule.inspect.profiling.page import page

        style = "width:100%;height:640px;border:0"
        return f'<iframe style="{style}" srcdoc="{escape(page(self, "Profile"))}"></iframe>'

    def write_html(self, path: str | Path, *, title: str = "Profile") -> None:
        """A page with tables and flame graphs, in one file that needs no other."""
        from chainrule.inspect.profiling.page import page

        Path(path).write_text(page(self, title), encoding="utf-8")

    def export_chrome_trace(self, path: str | Path) -> None:
        """A time line in Chrome's trace format, for ui.perfetto.dev or chrome://tracing.

        A name that ends with `.gz` makes a compressed file.
        Source: https://docs.pytorch.org/docs/stable/profiler.html
        """
        import gzip
        import json

        from chainrule.inspect.profiling.timeline import trace_events

        text = json.dumps(trace_events(self._observers)).encode()
        Path(path).write_bytes(gzip.compress(text) if Path(path).suffix == ".gz" else text)

    def export_stacks(self, path: str | Path) -> None:
        """Lines `outer;inner;op microseconds`, which flame graph programs read.

        Source: https://docs.pytorch.org/docs/stable/profiler.html
        """
        from chainrule.inspect.profiling.flame import stacks

        lines = [f"{way} {round(1e6 * time)}\n" for way, time in stacks(self.rows).items()]
        Path(path).write_text("".join(lines), encoding="utf-8")
