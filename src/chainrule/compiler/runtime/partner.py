"""Much code is compiled by two processes: this one and a partner that takes turns at the texts.

LLVM's library holds one lock, so a second thread would wait for the first. The partner is started
when there is enough to do, and ends itself when it was idle for a while. What it makes is what
LLVM makes here: same version, CPU and options. Whatever goes wrong with it, this process does the
work alone. May import base. Example:

    with Work(partner, compile_here) as work:
        work.put("key", text)            # as many as there are
        objects = work.finish()          # {"key": object code}
"""

from __future__ import annotations

import atexit
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from chainrule.base.settings import settings

_WORTH = 256_000  # characters of text from which a partner pays: some 150 ms of work
_LITTLE = 24_000  # likewise, if it is there already
_PATIENCE = 30.0  # seconds for an answer


class Partner:
    """The other process; `arguments` are those of `partner_process.main`."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._user: dict[str, object] = {}
        self.broken = not _possible()

    def claim(self, user: object) -> bool:
        """Whether `user` has the partner for itself until `free`: answers come in order.

        Somebody else has it while a signal handler compiles, and after a second Ctrl-C that did
        not wait for the first one's thread.
        """
        return self._user.setdefault("user", user) is user

    def free(self) -> None:
        """End the claim."""
        self._user.clear()

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self.is_running():
            return
        script = str(Path(__file__).with_name("partner_process.py"))
        self._ready = False
        self._process = subprocess.Popen(  # noqa: S603 - this very Python, a file of this package
            [sys.executable, "-I", "-S", script, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        atexit.register(self.stop)

    def is_ready(self, wait: float) -> bool:
        """Whether it has started, after so many seconds at most."""
        if not self._ready and self._answers(wait):
            self._ready = self._read(1) == b"!"
        return self._ready

    def compile(self, text: str) -> bytes:
        """Object code; OSError if the partner is not there any more or refuses."""
        process, raw = self._process, text.encode()
        if process is None or process.stdin is None:
            raise OSError("the partner was not started")
        message = memoryview(len(raw).to_bytes(8, "little") + raw)
        while message:
            message = message[process.stdin.write(message) :]
        if not self._answers(_PATIENCE):
            raise OSError("the partner does not answer")
        found = self._read(int.from_bytes(self._read(8), "little"))
        if not found:
            raise OSError("the partner refuses the text")
        return found

    def stop(self) -> None:
        """End the process."""
        atexit.unregister(self.stop)
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return
        with process:  # closes its input, at whose end it ends
            process.kill()

    def _answers(self, wait: float) -> bool:
        assert self._process is not None
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], wait)[0])

    def _read(self, count: int) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        parts = []
        while count and (part := self._process.stdout.read(count)):
            parts.append(part)
            count -= len(part)
        if count:
            raise OSError("the partner ended")
        return b"".join(parts)


def _possible() -> bool:
    """Whether a second process may and can be started: a plain Python, more than one core."""
    name = os.path.basename(sys.executable or "")  # noqa: PTH119 - a name, not a file
    plain = name.startswith("python") and not getattr(sys, "frozen", False)
    return os.name == "posix" and plain and settings().threads > 1


class Work:
    """Texts to compile, the largest first, here (`alone`) and by the partner."""

    def __init__(self, partner: Partner, alone: Callable[[str], bytes]) -> None:
        self._partner, self._alone = partner, alone
        self._texts: dict[str, str] = {}  # by key, what nobody has taken
        self._lent: dict[str, str] = {}  # by key, what the partner was given
        self._objects: dict[str, bytes] = {}
        self._size = 0
        self._all = False  # whether no more texts come
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Work that is dropped if what makes the texts fails."""
        return self

    def __exit__(self, *error: object) -> None:
        """Nobody waits for more."""
        self._end()

    def put(self, key: str, text: str) -> None:
        """One more; the partner begins when there is enough."""
        with self._changed:
            self._texts[key] = text
            self._size += len(text)
            self._changed.notify()
        worth = _LITTLE if self._partner.is_running() else _WORTH
        if self._thread is None and self._size > worth and not self._partner.broken:
            thread = threading.Thread(target=self._by_partner, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system's limit of threads
                self._partner.broken = True
            else:
                self._thread = thread

    def finish(self) -> dict[str, bytes]:
        """The object code of all."""
        with self._changed:
            self._all = True
            self._changed.notify()
        self._here()
        if self._thread is not None:
            self._thread.join()
        with self._changed:  # what it did not finish, or a forked child's parent has
            self._texts |= {k: t for k, t in self._lent.items() if k not in self._objects}
        self._here()
        return self._objects

    def _end(self) -> None:
        with self._changed:
            self._texts.clear()
            self._all = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _take(self) -> tuple[str, str] | None:
        """The largest that is left, once there is one; None when there will be none."""
        with self._changed:
            while not self._texts:
                if self._all:
                    return None
                self._changed.wait()
            key = max(self._texts, key=lambda k: len(self._texts[k]))
            return key, self._texts.pop(key)

    def _here(self) -> None:
        while (item := self._take()) is not None:
            self._objects[item[0]] = self._alone(item[1])

    def _by_partner(self) -> None:
        if not self._partner.claim(self):
            return
        try:
            self._partner.start()
            while not self._partner.is_ready(0.005):
                if self._all and not self._texts:
                    return  # this process was faster
            while self._partner.is_ready(0) and (item := self._take()) is not None:
                self._lent[item[0]] = item[1]
                self._objects[item[0]] = self._partner.compile(item[1])
        except (OSError, ValueError):
            self._partner.stop()
            self._partner.broken = True
        finally:
            self._partner.free()
