"""The environment is read once, understood strictly, and can be read again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from chainrule.base.errors import ConfigError
from chainrule.base.settings import read_settings, reload_settings, settings


def test_nothing_set():
    empty = read_settings({})
    assert empty.threads >= 1
    assert (empty.check, empty.traceback, empty.no_compile, empty.data) == (False,) * 3 + (None,)
    assert empty.cache_dir is None or empty.cache_dir.name == "chainrule"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), (" ON ", True), ("yes", True), ("0", False), ("", False)],
)
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("CHAINRULE_CHECK", "check"),
        ("CHAINRULE_TRACEBACK", "traceback"),
        ("CHAINRULE_NO_COMPILE", "no_compile"),
        ("CHAINRULE_RETRACE", "retrace"),
    ],
)
def test_switches(name, field, text, value):
    assert getattr(read_settings({name: text}), field) is value
    with pytest.raises(ConfigError, match=f"{name}='maybe'"):
        read_settings({name: "maybe"})


def test_target():
    assert read_settings({}).target == "native"
    assert read_settings({"CHAINRULE_TARGET": " AVX2 "}).target == "avx2"
    with pytest.raises(
        ConfigError, match="CHAINRULE_TARGET='sse9' is not a choice: use native, avx2, baseline"
    ):
        read_settings({"CHAINRULE_TARGET": "sse9"})


def test_threads():
    assert read_settings({"CHAINRULE_THREADS": "3"}).threads == 3
    for text in ("0", "-2", "two", "1.5", "1025", "²"):
        with pytest.raises(ConfigError, match="CHAINRULE_THREADS"):
            read_settings({"CHAINRULE_THREADS": text})


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux")
def test_threads_follow_the_cores_this_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert read_settings({}).threads == 1
    finally:
        os.sched_setaffinity(0, before)
    assert read_settings({}).threads == len(before)


def test_cache_folder(tmp_path):
    def cache(**env):
        return read_settings(env).cache_dir

    assert cache(CHAINRULE_CACHE_DIR=str(tmp_path)) == tmp_path
    assert cache(CHAINRULE_CACHE_DIR="off") is None
    assert cache(CHAINRULE_CACHE_DIR="./off") == Path("off").absolute()  # a folder of that name
    assert cache(CHAINRULE_CACHE_DIR="here") == Path.cwd() / "here"
    assert cache(CHAINRULE_CACHE_DIR="~/x") == Path.home() / "x"


@pytest.mark.skipif(sys.platform == "win32", reason="XDG")
def test_cache_folder_follows_xdg(tmp_path):
    xdg = read_settings({"XDG_CACHE_HOME": str(tmp_path)}).cache_dir
    assert xdg == tmp_path / "chainrule"
    relative = read_settings({"XDG_CACHE_HOME": "not/absolute"}).cache_dir
    assert relative == Path.home() / ".cache" / "chainrule"


def test_data_folder(tmp_path):
    assert read_settings({"CHAINRULE_DATA": str(tmp_path)}).data == tmp_path
    assert read_settings({"CHAINRULE_DATA": " "}).data is None


def test_read_once_until_read_again(monkeypatch):
    before = settings()
    assert settings() is before
    monkeypatch.setenv("CHAINRULE_THREADS", "7")
    assert settings() is before
    assert reload_settings().threads == 7
    monkeypatch.undo()
    assert reload_settings() == before
