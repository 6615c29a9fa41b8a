"""Settings from the environment: the only reader of `os.environ`.

`settings()` reads the variables once and returns a frozen object; `reload_settings()` reads them
again (tests change the environment). Imports base only. Example:

    CHAINRULE_THREADS=1 CHAINRULE_CHECK=1 python train.py     # settings().threads == 1
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainrule.base.errors import ConfigError

_DIGITS = 20  # of a number: more than any valid one has
_TRUE = frozenset({"1", "true", "yes", "on"})
_TARGETS = ("native", "avx2", "baseline")
_DEFER = ("on", "off", "always", "compiled")
_FALSE = frozenset({"", "0", "false", "no", "off"})


class EnvironmentVariableError(ConfigError):
    """An environment variable that cannot be read; no line of the program is at fault or shown."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One reading of the environment.

    threads     CHAINRULE_THREADS: cores that native code may use; unset: all this process may use.
    cache_dir   CHAINRULE_CACHE_DIR: where machine code is kept between runs; `off`: nowhere;
                unset: chainrule/ in XDG_CACHE_HOME, ~/.cache or (Windows) LOCALAPPDATA.
    check       CHAINRULE_CHECK: verify every graph, kernel and plan that a pass produces.
    data        CHAINRULE_DATA: folder with the sample data sets.
    traceback   CHAINRULE_TRACEBACK: `full` (or 1) shows every frame of an error's traceback, also
                those of the package, and the command line Python's traceback.
    no_compile  CHAINRULE_NO_COMPILE: nothing is compiled, compiled functions run eagerly.
    defer       CHAINRULE_DEFER: whether operations are evaluated later, together: `on` (or unset),
                where a program repeats them; `off`, never; and, to test chainrule itself, `always`
                or `compiled`, which also compiles what occurs once.
    retrace     CHAINRULE_RETRACE: compiled functions are traced again before each call, and a
                constant that has changed is an error (`cr.compile(debug=True)` for one function).
    target      CHAINRULE_TARGET: the machine that code is made for: `native` (or unset); `avx2`,
                x86 without AVX-512; `baseline`, the oldest of its kind, for which compiled
                functions on x86 run eagerly.
    plan_bytes  CHAINRULE_PLAN_MB (in 2²⁰ bytes; unset: 1024): memory that all plans may keep;
                beyond it the least recently used are dropped.
    """

    threads: int
    cache_dir: Path | None
    check: bool
    data: Path | None
    traceback: bool
    no_compile: bool
    defer: str
    retrace: bool
    target: str
    plan_bytes: int


def settings() -> Settings:
    """The settings of this process, read at the first call."""
    global _current  # noqa: PLW0603 - the one cached reading
    if _current is None:
        _current = read_settings(os.environ)
    return _current


def reload_settings() -> Settings:
    """Read the environment again and return the new settings."""
    global _current  # noqa: PLW0603
    _current = None
    return settings()


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings in `env`; an error names the variable that cannot be read."""
    return Settings(
        threads=_threads(env),
        cache_dir=_cache_dir(env),
        check=_switch(env, "CHAINRULE_CHECK"),
        data=_path(env, "CHAINRULE_DATA"),
        traceback=_switch(env, "CHAINRULE_TRACEBACK", "full"),
        no_compile=_switch(env, "CHAINRULE_NO_COMPILE"),
        defer=_word(env, "CHAINRULE_DEFER", _DEFER),
        retrace=_switch(env, "CHAINRULE_RETRACE"),
        target=_word(env, "CHAINRULE_TARGET", _TARGETS),
        plan_bytes=_whole(env, "CHAINRULE_PLAN_MB", 1024, 1 << 20) << 20,
    )


_current: Settings | None = None


def _switch(env: Mapping[str, str], name: str, also: str = "1") -> bool:
    """Whether a switch is on, for which `also` is another word."""
    text = env.get(name, "").strip().lower()
    if text in _TRUE or text == also:
        return True
    if text in _FALSE:
        return False
    raise EnvironmentVariableError(f"{name}={env[name]!r} must be on or off: use {also} or 0")


def _word(env: Mapping[str, str], name: str, words: Sequence[str]) -> str:
    """One of some words, the first if the variable is unset; 1 and 0 are `on` and `off`."""
    text = env.get(name, "").strip().lower() or words[0]
    text = {"1": "on", "0": "off"}.get(text, text)
    if text not in words:
        raise EnvironmentVariableError(
            f"{name}={env[name]!r} is not a choice: use {', '.join(words)}"
        )
    return text


def _path(env: Mapping[str, str], name: str) -> Path | None:
    text = env.get(name, "").strip()
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError:
        raise EnvironmentVariableError(
            f"{name}={text!r}: there is no such user's home folder"
        ) from None


def _threads(env: Mapping[str, str]) -> int:
    if not env.get("CHAINRULE_THREADS", "").strip():
        return _usable_cores()
    return _whole(env, "CHAINRULE_THREADS", 1, 1024)


def _whole(env: Mapping[str, str], name: str, unset: int, most: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return unset
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:_DIGITS]) <= most:
        raise EnvironmentVariableError(
            f"{name}={text[:_DIGITS]!r}: use an integer from 1 to {most}, or leave it unset"
        )
    return int(text)


def _usable_cores() -> int:
    """The number of cores this process may use; a container or `taskset` can lower it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cache_dir(env: Mapping[str, str]) -> Path | None:
    if env.get("CHAINRULE_CACHE_DIR", "").strip().lower() == "off":
        return None
    given = _path(env, "CHAINRULE_CACHE_DIR")
    if given is not None:
        return given.absolute()
    base = env.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "").strip()
    if base and Path(base).is_absolute():
        return Path(base) / "chainrule"
    try:
        return Path.home() / ".cache" / "chainrule"
    except RuntimeError:  # an account without a home folder
        return None
