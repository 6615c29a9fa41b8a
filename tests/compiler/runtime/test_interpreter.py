"""The interpreter's text: complete, and good for the processors and systems we name."""

from __future__ import annotations

import re
from enum import IntEnum

import pytest

from chainrule.compiler.runtime import encoding
from chainrule.compiler.runtime.interpreter import interpreter, interpreter_ir, ticks_per_second

TARGETS = [
    ("x86_64", "linux", "x86_64-unknown-linux-gnu"),
    ("x86_64", "win32", "x86_64-pc-windows-msvc"),
    ("aarch64", "linux", "aarch64-unknown-linux-gnu"),
    ("aarch64", "darwin", "arm64-apple-macosx14"),
]


@pytest.mark.parametrize(("processor", "platform", "triple"), TARGETS)
def test_text_is_valid_and_becomes_machine_code(processor, platform, triple):
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(interpreter_ir(processor, platform))
    module.verify()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError as error:
        pytest.skip(f"this LLVM has no {processor}: {error}")
    machine = target.create_target_machine(opt=2)
    module.triple, module.data_layout = triple, str(machine.target_data)
    text = machine.emit_assembly(module)
    for name in ("chainrule_run", "chainrule_serve", "chainrule_dismiss", "chainrule_ticks"):
        assert re.search(rf"^_?{name}:", text, re.MULTILINE)
    needed = set(re.findall(r"\b(?:bl|callq?)\s+_?(__\w+)", text))
    assert not needed, "nothing from a compiler's own run-time library"


def kinds():
    found = [value for value in vars(encoding).values() if isinstance(value, type)]
    return [kind for kind in found if issubclass(kind, IntEnum) and kind is not IntEnum]


def test_no_two_words_share_a_place():
    for kind in kinds():
        assert len({int(word) for word in kind}) == len(kind), kind
    assert max(encoding.Board) < encoding.BOARD_WORDS
    assert max(encoding.Thread) < encoding.THREAD_WORDS
    assert (
        max(map(max, (encoding.Launch, encoding.Guard, encoding.Loop))) < encoding.INSTRUCTION_WORDS
    )


def test_words_that_threads_write_have_cache_lines_of_their_own():
    def line(word):
        return word // encoding.LINE

    board, thread = encoding.Board, encoding.Thread
    assert line(board.DONE) not in {line(word) for word in board if word is not board.DONE}
    assert line(thread.CLAIM) != line(thread.BUSY)
    assert encoding.BOARD_WORDS % encoding.LINE == encoding.THREAD_WORDS % encoding.LINE == 0


def test_every_name_has_its_number():
    assert "$" not in interpreter_ir("x86_64", "linux").replace("; $NAMES", "")
    assert encoding.names()["BOARD_DONE"] == 8


def test_ticks_are_calibrated():
    ticks = interpreter().ticks
    assert ticks() <= ticks()
    assert 1e6 < ticks_per_second() < 1e10
