"""What a bug report needs."""

from chainrule.base.settings import reload_settings
from chainrule.tasks.environment import describe_environment


def test_the_facts():
    facts = dict(describe_environment())
    for name in ("chainrule", "python", "numpy", "llvmlite", "system", "cpu", "code", "threads"):
        assert facts[name], name
    assert facts["numpy"][0].isdigit()


def test_the_cache_and_its_size(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(bytes(1_500_000))
    (tmp_path / "two").write_bytes(bytes(500_000))
    try:
        reload_settings()
        assert dict(describe_environment())["cache"] == f"{tmp_path}: 2 files, 2.0 MB"
        monkeypatch.setenv("CHAINRULE_CACHE_DIR", "off")
        reload_settings()
        assert dict(describe_environment())["cache"] == "off"
    finally:
        monkeypatch.undo()
        reload_settings()
