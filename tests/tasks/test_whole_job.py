"""The main job at its true size: minutes, so only with `-m slow`."""

import pytest

from chainrule.base.settings import settings
from chainrule.tasks.language_model import LanguageModel
from chainrule.tasks.run import train_new
from chainrule.train.interrupts import Interrupts

pytestmark = pytest.mark.slow


def result(folder, **changes):
    task = LanguageModel()
    *_, finished = train_new(task, task.settled({}, changes, None), folder, Interrupts())
    return finished.result


def test_the_documentation_is_learnt_better_than_by_counting(tmp_path):
    done = result(tmp_path)
    assert done["held_out_loss"] < done["five_gram_loss"] - 0.07


def test_shakespeare(tmp_path):
    """The published small setting: 2000 steps, loss about 1.88 over the held-out tenth."""
    path = (settings().data or tmp_path) / "tinyshakespeare.txt"
    if not path.is_file():
        pytest.skip("CHAINRULE_DATA names no folder with tinyshakespeare.txt")
    done = result(tmp_path / "runs", data=str(path), steps=2000)
    assert done["characters"] == 1_115_394
    assert done["held_out_loss"] <= 1.92
