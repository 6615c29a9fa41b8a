"""`chainrule show`: stages of examples and of the user's functions."""

import pytest

MODEL = """
import numpy as np
import chainrule as torch

def step(x=np.ones((4, 3), np.float32), *, scale=2):
    return (x * scale).sum(0)

@torch.compile
def compiled(x=np.ones(3)):
    return x + 1

def bare(x):
    return x

number = 3
"""


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    return "model.py"


def test_the_overview_lists_the_stages_and_shows_three(inside):
    done = inside("show", "--model", "softmax")
    assert done.code == 0
    assert done.out.startswith("trace ")
    for stage in ("decompose", "unchanged", "── trace", "── groups", "── plan", "kernels", "llvm"):
        assert stage in done.out
    assert "── llvm" not in done.out


@pytest.mark.parametrize("name", ["mlp", "softmax", "layer_norm", "attention"])
def test_built_in_examples(inside, name):
    done = inside("show", "--model", name, "--stage", "plan")
    assert done.code == 0
    assert done.out.startswith("arena ")
    assert (" commit " in done.out) == (name == "mlp")


def test_a_function_of_a_file(inside, model):
    done = inside("show", f"{model}:step", "--stage", "trace")
    assert done.code == 0, done.err
    assert done.out.startswith("graph(%0: float32[4, 3])")
    assert "model.py:6" in done.out
    assert "kernel " in inside("show", f"{model}:compiled", "--stage", "kernels").out
    everything = inside("show", f"{model}:step", "--stage", "all").out
    assert "define void @kernel0" in everything
    assert "── assembly" in everything


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "kernls"], "did you mean 'kernels'?"),
        (["--stage", "x", "--model", "softmax"], "there are trace, "),
        (["model.py:stp"], "no function 'stp'; did you mean 'step'?"),
        (["model.py:number"], "no function 'number'"),
        (["model.py:bare"], "default arguments, and x has none"),
        (["model.py"], "write FILE.py:function"),
        (["nowhere.py:step"], "there is no file nowhere.py"),
        (["model.py:step", "--model", "mlp"], "not both"),
        (["--model", "nothing"], "'nothing' is not one of"),
    ],
)
def test_what_is_not_understood(inside, model, arguments, message):  # noqa: ARG001 - the file
    done = inside("show", *arguments)
    assert done.code == 2
    assert message in done.err
