"""What is shown of a traceback; nothing of it is lost for who looks at it later."""

from __future__ import annotations

import pickle
import sys
import threading
import traceback

import pytest

import chainrule as cr
from chainrule import errors, nn
from chainrule.base.frames import PACKAGE, entries, install, own_frames, render
from chainrule.base.settings import reload_settings
from chainrule.errors import ShapeError
from tests.structure.package import run_python


class Calls(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def raised(call=None):
    model = nn.Sequential(Calls(nn.Sequential(Calls(nn.Linear(3, 2)))))
    with pytest.raises(ShapeError) as caught:
        (call or model)(cr.ones(1, 4))
    return caught.value


def files(trace):
    return [each.tb_frame.f_code.co_filename for each in entries(trace)]


def test_the_programs_frames_between_are_kept():
    error = raised()
    kept = files(own_frames(error.__traceback__))
    assert kept == [__file__] * 3  # the call, and both forwards
    assert any(name.startswith(PACKAGE) for name in files(error.__traceback__))


def test_a_traceback_without_own_frames_stays_whole():
    error = raised()
    trace = error.__traceback__
    while trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    package = own_frames(trace.tb_next)
    assert package is not None


def shown(error, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "excepthook", lambda *given: seen.append(files(given[2])))
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(files(args[2])))
    install()
    sys.excepthook(type(error), error, error.__traceback__)
    threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
    return seen


def test_hooks_show_own_frames_and_leave_the_error_as_it_was(monkeypatch):
    error = raised()
    before = error.__traceback__
    assert shown(error, monkeypatch) == [[__file__] * 3] * 2
    assert error.__traceback__ is before


def test_other_errors_are_passed_on_as_they_are(monkeypatch):
    def fails(x):
        raise KeyError(x)

    with pytest.raises(KeyError) as caught:
        Calls(fails)(1)
    whole = files(caught.value.__traceback__)
    assert shown(caught.value, monkeypatch) == [whole] * 2
    assert any(name.startswith(PACKAGE) for name in whole)


def test_a_fault_of_the_package_keeps_its_frames(monkeypatch):
    error = raised()
    bug = errors.CompileError("fault")
    bug.__traceback__ = error.__traceback__
    assert shown(bug, monkeypatch) == [files(error.__traceback__)] * 2


def test_a_note_that_cannot_be_made_does_not_hide_the_error(monkeypatch):
    error = raised()
    monkeypatch.setitem(errors.ChainruleError.witnesses, "tensors", lambda _: 1 / 0)
    assert "  in layer 0.inner.0.inner (Linear) of Sequential" in error.__notes__
    assert str(error) in "\n".join(render(error))


def test_every_frame_on_request(monkeypatch):
    error = raised()
    monkeypatch.setenv("CHAINRULE_TRACEBACK", "full")
    reload_settings()
    try:
        assert shown(error, monkeypatch) == [files(error.__traceback__)] * 2
        assert any(PACKAGE in line for line in render(error))
    finally:
        monkeypatch.delenv("CHAINRULE_TRACEBACK")
        reload_settings()


def test_a_cause_is_shortened_too():
    def wraps(x):
        try:
            nn.Linear(3, 2)(x)
        except ShapeError as error:
            raise ShapeError("outer") from error

    text = "\n".join(render(raised(wraps)))
    assert "direct cause" in text
    assert PACKAGE not in text


def test_an_error_shows_itself_as_python_would():
    error = raised()
    lines = error._render_traceback_()
    assert lines[0] == "Traceback (most recent call last):"
    assert not [line for line in lines if PACKAGE in line]
    assert lines[-1].strip().startswith(error.code)


def test_notebooks_show_the_programs_frames_in_their_style(tmp_path):
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance(colors='NoColor')\n"
        "shell.run_cell('import chainrule as cr', store_history=True)\n"
        "shell.run_cell('m = cr.nn.Linear(3, 2)\\nm(cr.ones(1, 4))', store_history=True)\n"
    )
    shown = run_python("-c", code, cwd=tmp_path)
    assert "----> 2 m(cr.ones(1, 4))" in shown
    assert "made at In[2]:1  m = cr.nn.Linear(3, 2)" in shown
    assert "chainrule/nn" not in shown.replace("\\", "/")


def test_notes_are_added_below_what_is_known():
    error = raised()
    error.add_note("while testing")
    assert "while testing" in error.__notes__
    assert any("in layer" in note for note in error.__notes__)
    error.__notes__ = ["only this"]
    assert "only this" in "".join(traceback.format_exception(error))
    assert "while testing" not in error.__notes__


def test_errors_travel_between_processes():
    error = raised()
    error.add_note("kept")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert type(again) is ShapeError
    assert str(again) == str(error)
    assert "kept" in again.__notes__


@pytest.mark.parametrize("name", errors.__all__)
def test_all_have_one_public_home(name):
    assert getattr(cr.errors, name).__module__ == "chainrule.errors"
