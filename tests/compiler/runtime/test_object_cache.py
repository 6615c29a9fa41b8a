"""The object cache never trusts, never fails, never grows without bound."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from chainrule.compiler.runtime import object_cache
from chainrule.compiler.runtime.object_cache import ObjectCache, cache_key

KEY, OTHER = cache_key("one"), cache_key("two")
POSIX = pytest.mark.skipif(os.name != "posix", reason="owners and permission bits are POSIX")


@pytest.fixture
def cache(tmp_path):
    return ObjectCache(tmp_path / "cache")


def entry(cache, key=KEY):
    return cache.folder / f"{key}.object"


def test_what_is_put_is_got(cache):
    assert cache.get(KEY) is None
    cache.put(KEY, b"machine code")
    assert cache.get(KEY) == b"machine code"
    assert cache.get(OTHER) is None


def test_key_depends_on_every_part_and_its_place():
    keys = {
        cache_key("text"),
        cache_key("text", "cpu"),
        cache_key("text", "cpu", "features"),
        cache_key("text", "features", "cpu"),
        cache_key("text", "cpufeatures"),
        cache_key("cpu", "text"),
    }
    assert len(keys) == 6
    assert all(len(key) == 64 for key in keys)


@POSIX
def test_only_the_user_may_look(cache):
    cache.put(KEY, b"x")
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(cache).stat().st_mode) == 0o600
    assert list(cache.folder.iterdir()) == [entry(cache)], "no unfinished file stays"


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "header", "version", "longer"])
def test_damaged_entry_is_ignored_and_rebuilt(cache, damage):
    cache.put(KEY, b"machine code")
    raw = entry(cache).read_bytes()
    entry(cache).write_bytes(
        {
            "empty": b"",
            "cut": raw[:-1],
            "flipped": raw[:-1] + bytes([raw[-1] ^ 1]),
            "header": b"\0" + raw[1:],
            "version": raw.replace(b"object 1\n", b"object 0\n"),
            "longer": raw + b"\0",
        }[damage]
    )
    assert cache.get(KEY) is None
    cache.put(KEY, b"machine code")
    assert cache.get(KEY) == b"machine code"


def test_entry_under_another_key_is_ignored(cache):
    cache.put(KEY, b"machine code")
    entry(cache).rename(entry(cache, OTHER))
    assert cache.get(OTHER) is None


@POSIX
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o644])
def test_entry_that_others_may_touch_is_ignored_and_rebuilt(cache, mode):
    cache.put(KEY, b"old")
    entry(cache).chmod(mode)
    assert cache.get(KEY) is None
    cache.put(KEY, b"new")
    assert cache.get(KEY) == b"new"
    assert stat.S_IMODE(entry(cache).stat().st_mode) == 0o600


@POSIX
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_entry_of_another_user_is_ignored(cache):
    cache.put(KEY, b"x")
    os.chown(entry(cache), 12345, 12345)
    assert cache.get(KEY) is None


@POSIX
def test_owner_is_compared(cache, monkeypatch):
    cache.put(KEY, b"x")
    monkeypatch.setattr(object_cache.os, "geteuid", lambda: os.getuid() + 1)
    assert cache.get(KEY) is None


@POSIX
def test_links_and_pipes_are_not_followed(cache, tmp_path):
    cache.put(KEY, b"x")
    entry(cache).rename(tmp_path / "elsewhere")
    entry(cache).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(entry(cache, OTHER), 0o600)
    assert cache.get(KEY) is None
    assert cache.get(OTHER) is None


@POSIX
def test_folder_open_to_others_is_not_used(tmp_path):
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects").chmod(0o777)
    cache = ObjectCache(tmp_path)
    cache.put(KEY, b"x")
    assert cache.folder is None
    assert cache.get(KEY) is None
    assert not any((tmp_path / "objects").iterdir())


def test_no_folder_keeps_nothing():
    cache = ObjectCache(None)
    cache.put(KEY, b"x")
    assert cache.get(KEY) is None


def test_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = ObjectCache(tmp_path / "file")
    cache.put(KEY, b"x")
    assert cache.get(KEY) is None


def test_full_disk_is_silent_and_leaves_nothing_behind(cache, monkeypatch):
    cache.put(KEY, b"x")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(object_cache.Path, "replace", full)
    cache.put(OTHER, b"y")
    monkeypatch.undo()
    assert cache.get(OTHER) is None
    assert cache.get(KEY) == b"x", "what is there stays readable"
    assert list(cache.folder.iterdir()) == [entry(cache)]
    cache.put(OTHER, b"y")
    assert cache.get(OTHER) is None, "it does not try again"


def test_least_recently_used_goes_first(tmp_path):
    cache = ObjectCache(tmp_path, limit=10_000)
    keys = [cache_key(str(i)) for i in range(8)]
    for age, key in enumerate(keys[:4]):
        cache.put(key, bytes(2000))
        os.utime(entry(cache, key), (1000 + age, 1000 + age))
    assert cache.get(keys[0]) is not None  # used now: the oldest no more
    cache.put(keys[4], bytes(2000))  # 10,000 bytes and five headers: past the limit
    kept = [key for key in keys[:5] if cache.get(key) is not None]
    assert kept == [keys[0], keys[3], keys[4]]
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= 7500


def test_folder_that_is_too_large_already_is_pruned_at_the_first_write(tmp_path):
    large = ObjectCache(tmp_path)
    for i in range(6):
        large.put(cache_key(str(i)), bytes(2000))
    small = ObjectCache(tmp_path, limit=5000)
    small.put(KEY, b"x")
    assert sum(path.stat().st_size for path in small.folder.iterdir()) <= 5000
    assert small.get(KEY) == b"x"


def test_abandoned_unfinished_files_are_removed(cache):
    cache.put(KEY, b"x")
    old, young = cache.folder / ".old", cache.folder / ".young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    ObjectCache(cache.folder.parent).put(OTHER, b"y")
    assert not old.exists()
    assert young.exists()


def test_threads_and_instances_share_a_folder(tmp_path):
    def work(number):
        cache = ObjectCache(tmp_path)
        for i in range(20):
            cache.put(cache_key(str(i)), str(i).encode() * 500)
            if cache.get(cache_key(str(i))) != str(i).encode() * 500:
                wrong.append((number, i))

    wrong = []
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
