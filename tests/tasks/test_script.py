"""Resolving `torch`: one class however it is imported, gone afterwards, missing names deferred."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.base.errors import MissingError
from chainrule.tasks.script import as_torch, run_script


@pytest.fixture
def program(tmp_path):
    """Run the text of a script; what it puts in `seen` comes back."""

    def run(text):
        sys.modules["seen_by_script"] = seen = types.ModuleType("seen_by_script")
        path = tmp_path / "script.py"
        path.write_text(f"import seen_by_script as seen\n{text}")
        try:
            run_script(str(path), [])
        finally:
            del sys.modules["seen_by_script"]
        return seen

    return run


def test_modules_are_the_very_same(program):
    seen = program(
        "import torch, torch.nn, torch.nn.functional as F\n"
        "from torch.nn.parameter import Parameter\n"
        "from torch.optim.lr_scheduler import StepLR\n"
        "seen.all = [torch.nn.Linear, F.relu, Parameter, StepLR, torch.Tensor, torch.float32]"
    )
    from chainrule.optim import lr_scheduler

    assert seen.all == [
        cr.nn.Linear, cr.nn.functional.relu, cr.nn.Parameter, lr_scheduler.StepLR, cr.Tensor,
        cr.float32,
    ]  # fmt: skip


FORMS = [
    "import torch.nn as nn",
    "import torch.nn.functional as F",
    "from torch import nn, optim, Tensor, device, float32, long, manual_seed, no_grad, tensor",
    "from torch.nn import functional as F, init, Module, Parameter, Linear",
    "from torch.nn.functional import relu, softmax",
    "from torch.nn.parameter import Parameter",
    "from torch.nn.init import xavier_uniform_, normal_",
    "from torch.nn.utils import clip_grad_norm_",
    "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence",
    "from torch.nn.modules import Module, ModuleList",
    "from torch.nn.modules.linear import Linear",
    "from torch.nn.modules.rnn import LSTM",
    "import torch.nn.modules.module",
    "import torch.optim as optim",
    "from torch.optim import AdamW, Adam, SGD, lr_scheduler",
    "from torch.optim.lr_scheduler import StepLR, LambdaLR, CosineAnnealingLR",
    "from torch.utils import data",
    "from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split",
    "from torch.utils.data.dataset import Dataset",
    "from torch.utils.checkpoint import checkpoint",
    "import torch.utils.data as data",
    "from torch.autograd import Function, Variable, grad",
    "from torch.special import expit",
    "import torch.cuda, torch.cuda.amp",
    "from torch.cuda.amp import autocast, GradScaler",
    "from torch.amp import autocast, GradScaler",
    "import torch.backends.cudnn as cudnn",
    "import torch.distributed as dist",
]


# Not all of it is here, but scripts import it at their top and use it elsewhere
DEFERRED = [
    "import torch.autograd.functional",
    "from torch.autograd.functional import jacobian, hessian",
    "from torch.func import grad, vmap",
    "import torch.linalg",
    "from torch.nn.parallel import DistributedDataParallel as DDP",
    "import torch.multiprocessing as mp",
    "from torch.utils.tensorboard import SummaryWriter",
]


@pytest.mark.parametrize("form", [*FORMS, *DEFERRED])
def test_usual_forms_of_import(program, form):
    program(form)


@pytest.mark.parametrize("form", FORMS)
def test_they_work_without_a_run_too(form):
    exec(form.replace("torch", "chainrule"), {})  # noqa: S102


def test_importing_what_is_missing_is_no_error_yet(program):
    seen = program(
        "from torch.nn import Nonesuch\n"
        "import torch.nonesuch.deep as deep\n"
        "from torch.nonesuch import thing\n"
        "import torch\n"
        "seen.uses = [Nonesuch, lambda: deep.thing, thing, lambda: thing.part,\n"
        "             lambda: type('Sub', (Nonesuch,), {}) if 0 else __build_class__(\n"
        "                 lambda: None, 'Sub', Nonesuch), lambda: torch.nonesuch.x]\n"
        "seen.no = isinstance(3, Nonesuch)\n"
        "seen.has = hasattr(torch, 'nonesuch_function')\n"
    )
    assert seen.no is False
    assert seen.has is False
    for use in seen.uses:
        with pytest.raises(MissingError, match=r"torch\.[\w.]+ does not exist here \("):
            use()


@pytest.mark.parametrize("line", ["import torch.nonesuch", "from torch.nn import Nonesuch"])
def test_inside_try_the_import_fails_at_once(program, line):
    seen = program(
        f"seen.fell_back = False\ntry:\n    {line}\nexcept ImportError as error:\n"
        "    seen.fell_back = str(error)\n"
    )
    assert "does not exist here (" in seen.fell_back
    assert "script.py:4)" in seen.fell_back


def test_outside_a_run_a_missing_import_fails():
    with pytest.raises(ImportError, match=r"chainrule\.nn\.Liner does not exist.*mean Linear\?"):
        from chainrule.nn import Liner  # noqa: F401
    with pytest.raises(AttributeError, match=r"chainrule\.rellu does not exist.*test_script\.py:"):
        cr.rellu  # noqa: B018


def test_a_missing_method_is_named_with_its_line():
    with pytest.raises(MissingError, match=r"Tensor\.geqrf .*test_script\.py:\d+\); .*lists what"):
        cr.ones(1).geqrf()
    assert not hasattr(cr.ones(1), "geqrf")
    assert not hasattr(cr.Tensor, "geqrf")
    assert not hasattr(cr.ones(1), "nonesuch")


def test_every_method_of_pytorch_exists_or_is_named_as_absent():
    names = json.loads((Path(__file__).parents[2] / "docs/torch_names.json").read_text())
    held = {name for part in cr.Tensor.__mro__ for name in vars(part)}  # absent ones, too
    assert [name for name in names["torch.Tensor"] if name not in held] == []


def test_safetensors_reads_and_writes_the_tensors_of_the_run(program, tmp_path):
    before = sys.modules.get("safetensors.torch")
    seen = program(
        "import torch, safetensors.torch\n"
        "from safetensors.torch import load_file, save_file\n"
        f"path = {str(tmp_path / 'a.safetensors')!r}\n"
        "save_file({'a': torch.ones(2)}, path)\n"
        "seen.found = load_file(path)['a']"
    )
    assert type(seen.found) is cr.Tensor
    assert seen.found.tolist() == [1.0, 1.0]
    assert sys.modules.get("safetensors.torch") is before


def test_everything_may_be_imported_at_once(program):
    seen = program(
        "from torch import *\n"
        "from torch.nn import *\n"
        "from torch.nn.functional import *\n"
        "seen.value = relu(Linear(2, 3)(ones(1, 2))).shape, float, sum(tensor([1, 2])).item()\n"
        "seen.modules = [name for name in ('nn', 'optim', 'inspect') if name in globals()]"
    )
    assert seen.value == ((1, 3), cr.float32, 3)
    assert seen.modules == []


def test_scripted_and_traced_layers_stay_as_they_are(program):
    seen = program(
        "import torch\n"
        "@torch.jit.script\n"
        "def double(x, n: int):\n"
        "    return x * n\n"
        "class Net(torch.jit.ScriptModule):\n"
        "    @torch.jit.script_method\n"
        "    def forward(self, x):\n"
        "        return x if torch.jit.is_scripting() else double(x, 2)\n"
        "    @torch.jit.ignore(drop=True)\n"
        "    def spare(self):\n"
        "        return 1\n"
        "    @torch.jit.unused\n"
        "    def other(self):\n"
        "        return 2\n"
        "net = torch.jit.trace(Net(), torch.ones(1))\n"
        "seen.values = net(torch.ones(2)).tolist(), net.spare(), net.other(), type(net).__name__"
    )
    assert seen.values == ([2.0, 2.0], 1, 2, "Net")
    with pytest.raises(MissingError, match=r"torch\.jit\.save does not exist"):
        program("import torch\ntorch.jit.save(torch.nn.Linear(1, 1), 'x')")


def test_everything_is_as_before():
    finders, path, argv = sys.meta_path[:], sys.path[:], sys.argv
    pretended = types.ModuleType("torch")
    held = {name: sys.modules.pop(name) for name in list(sys.modules) if name == "torch"}
    sys.modules["torch"] = pretended
    spec = cr.nn.__spec__
    try:
        with as_torch():
            import torch

            assert torch is not pretended
            assert importlib.import_module("torch.nn") is cr.nn
        assert sys.modules["torch"] is pretended
        assert "torch.nn" not in sys.modules or sys.modules["torch.nn"] is not cr.nn
    finally:
        del sys.modules["torch"]
        sys.modules.update(held)
    assert (sys.meta_path, sys.path, sys.argv) == (finders, path, argv)
    assert cr.nn.__spec__ is spec


@pytest.mark.oracle
def test_an_installed_pytorch_stays_itself():
    import torch

    with as_torch():
        assert importlib.import_module("torch").__version__ != torch.__version__
    assert importlib.import_module("torch") is torch
    assert importlib.util.find_spec("torch").origin == torch.__spec__.origin
