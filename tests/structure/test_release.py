"""Version, change log, licence and the supported Pythons agree wherever they are written."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version

import pytest

import chainrule
from tests.structure.package import ROOT, package

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_version():
    assert chainrule.__version__ == PROJECT["version"]


def test_installed_version_is_this_one():
    try:
        installed = version("chainrule")
    except PackageNotFoundError:
        pytest.skip("run from the sources: nothing is installed")
    assert installed == PROJECT["version"]


def test_change_log_opens_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+)", text, flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]


def test_classifiers_list_the_supported_pythons():
    low, high = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    listed = [c.rsplit(".", 1)[1] for c in PROJECT["classifiers"] if ":: 3." in c]
    assert [int(minor) for minor in listed] == list(range(int(low), int(high)))


def test_licence_is_whole():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_package_is_typed():
    assert (package() / "py.typed").is_file()
