"""The paths that code reads, from its bytecode."""

from __future__ import annotations

import dis

import pytest

from chainrule.compiler.guards import bytecode
from chainrule.compiler.guards.bytecode import accesses


def plain(self, x):
    return x * self.block.gain + settings["scale"] * self.sizes[0]  # noqa: F821


def alias(self, x):
    config = self.config
    inner = config.inner
    return x * inner.width * config.get("depth", 2)


def loops(self, x):
    for layer in self.layers:
        x = x * layer.p["a"]
    return x


def counter(self):
    self.count += 1


def nested(self, x):
    return [x * each.gain for each in self.all] + [getattr(self, "extra", None)]


@pytest.mark.parametrize(
    ("code", "paths"),
    [
        (plain, {"self.block.gain", "settings['scale']", "self.sizes[0]"}),
        (alias, {"self.config.inner.width", "self.config['depth']"}),
        (loops, {"self.layers[…]", "self.layers[…].p['a']"}),
        (counter, {"self.count"}),
        (nested, {"self.all[…]"}),
    ],
)
def test_paths_lead_from_variables_through_attributes_and_constant_keys(code, paths):
    assert paths <= {str(path) for path in accesses(code.__code__).paths}


def test_lines_are_those_of_the_code():
    (path,) = [p for p in accesses(plain.__code__).paths if str(p) == "self.block.gain"]
    assert path.line == plain.__code__.co_firstlineno + 1
    assert not path.is_global


def test_code_inside_counts_and_names_in_quotes_are_asked_for():
    found = accesses(nested.__code__)
    assert "gain" in found.names
    assert "extra" in found.asked
    assert found.any_name
    assert not accesses(plain.__code__).any_name


def test_all_instructions_of_this_python_that_load_are_known():
    found = {name for name in dis.opmap if name.startswith("LOAD_")}
    known = (
        bytecode._LOCAL
        | bytecode._GLOBAL
        | bytecode._ATTRIBUTE
        | bytecode._BY_NAME
        | bytecode._CONSTANT
    )
    pairs = {"LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"}
    of_no_name = {"LOAD_ASSERTION_ERROR", "LOAD_BUILD_CLASS", "LOAD_CLOSURE", "LOAD_LOCALS",
                  "LOAD_FAST_AND_CLEAR", "LOAD_COMMON_CONSTANT", "LOAD_SPECIAL",
                  "LOAD_ZERO_SUPER_ATTR", "LOAD_ZERO_SUPER_METHOD"}  # fmt: skip
    assert found <= known | pairs | of_no_name
