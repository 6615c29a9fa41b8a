"""What of PyTorch has no effect on a CPU: it imports, answers as on a machine without a GPU."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DeviceError
from chainrule.tensor import convert

# Questions whose answer is PyTorch's own on a machine without a GPU.
QUESTIONS = [
    "lib.cuda.is_available()",
    "lib.cuda.device_count()",
    "lib.cuda.is_initialized()",
    "lib.cuda.memory_allocated()",
    "lib.mps.is_available()",
    "lib.xpu.is_available()",
    "lib.backends.mps.is_available()",
    "lib.backends.cudnn.is_available()",
    "lib.distributed.is_initialized()",
    "lib.is_autocast_enabled()",
    "lib.get_float32_matmul_precision()",
    "lib.are_deterministic_algorithms_enabled()",
    "lib.version.cuda",
    "lib.ones(2).is_cuda",
    "lib.ones(2).is_pinned()",
    "lib.ones(2).is_floating_point()",
    "lib.is_tensor(3), lib.is_tensor(lib.ones(1))",
    "lib.numel(lib.ones(2, 3))",
    "lib.finfo(lib.float32).eps, lib.finfo(lib.float64).max, lib.finfo().bits",
    "lib.finfo(lib.bfloat16).max, lib.finfo(lib.bfloat16).eps, lib.finfo(lib.float16).tiny",
    "lib.iinfo(lib.int64).max, lib.iinfo(lib.uint8).min, lib.iinfo(lib.int32).bits",
    "lib.can_cast(lib.float32, lib.int64), lib.can_cast(lib.int64, lib.float32)",
    "str(lib.promote_types(lib.int64, lib.float32)).split('.')[1]",
    "str(lib.result_type(lib.ones(2), 3)).split('.')[1]",
    "lib.typename(lib.ones(1)), lib.typename(3), lib.typename(lib.ones(1).long())",
    "lib.ones(1).type(), lib.ones(1).bool().type(), lib.ones(1).type(lib.int32).type()",
    "lib.ones(1).type('torch.LongTensor').type(), lib.ones(1).type(lib.DoubleTensor).type()",
    "lib.FloatTensor([1, 2]).tolist(), lib.LongTensor([[1, 2]]).tolist()",
    "tuple(lib.FloatTensor(2, 3).shape), isinstance(lib.ones(1), lib.LongTensor)",
    "lib.frombuffer(bytearray(b'abc'), dtype=lib.uint8).tolist()",
    "lib.asarray([1.5, 2]).tolist(), lib.scalar_tensor(2).item()",
    "lib.device('cuda:1').index, lib.device('cuda').type",
    "lib.device('cpu') == lib.device('cpu'), repr(lib.device('cuda', 0))",
    "lib.logspace(0, 2, 3).tolist(), lib.arange(lib.tensor(3)).tolist()",
    "lib.full((2,), lib.tensor(3)).tolist(), lib.zeros((2, 1), pin_memory=False).tolist()",
    "lib.inf, lib.pi, lib.newaxis",
]


@pytest.mark.oracle
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_pytorchs(question):
    answers = [
        eval(question, {"lib": importlib.import_module(name)})  # noqa: S307
        for name in ("chainrule", "torch")
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_answers(question):
    eval(question, {"lib": cr})  # noqa: S307


def test_submodules_import_under_their_names():
    for name in ("amp", "cuda.amp", "backends.cudnn", "backends.cuda.matmul", "distributed"):
        assert importlib.import_module(f"chainrule.{name}").__name__ == f"chainrule.{name}"


def test_switches_are_remembered(monkeypatch):
    monkeypatch.setattr(cr.backends.cudnn, "benchmark", True)
    assert cr.backends.cudnn.benchmark is True
    cr.backends.cuda.matmul.allow_tf32 = False
    cr.set_float32_matmul_precision("high")
    assert cr.get_float32_matmul_precision() == "high"
    cr.set_float32_matmul_precision("highest")
    cr.use_deterministic_algorithms(True, warn_only=True)
    assert cr.are_deterministic_algorithms_enabled()
    assert cr.is_deterministic_algorithms_warn_only_enabled()
    cr.use_deterministic_algorithms(False)
    with pytest.raises(ArgumentError, match="highest, high, medium"):
        cr.set_float32_matmul_precision("low")


@pytest.mark.parametrize(
    "context",
    [
        lambda: cr.autocast("cuda", dtype=cr.bfloat16),
        lambda: cr.amp.autocast(device_type="cpu"),
        lambda: cr.cuda.amp.autocast(enabled=False),
        lambda: cr.backends.cuda.sdp_kernel(enable_math=True),
        lambda: cr.device("cpu"),
    ],
)
def test_contexts_change_nothing(context):
    with context():
        x = cr.ones(2, 2) @ cr.ones(2, 2)
    assert x.dtype is cr.float32
    assert x.tolist() == [[2, 2], [2, 2]]


def test_a_scaler_passes_through():
    p = cr.nn.Parameter(cr.ones(1))
    opt = cr.optim.SGD([p], lr=0.5)
    with pytest.warns(UserWarning, match="passes through"):
        scaler = cr.cuda.amp.GradScaler()
    scaler = cr.amp.GradScaler("cuda", enabled=False)
    scaler.scale((3 * p).sum()).backward()
    scaler.unscale_(opt)
    scaler.step(opt)
    scaler.update()
    assert p.item() == -0.5
    assert (scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()) == (1.0, False, {})


@pytest.mark.parametrize(
    "use",
    [
        cr.cuda.synchronize,
        lambda: cr.cuda.get_device_name(0),
        cr.cuda.current_device,
        lambda: cr.ones(1).cuda(),
        lambda: cr.ones(1).to(cr.device("cuda")),
        lambda: cr.ones(1, device="cuda:0"),
        lambda: cr.nn.Linear(1, 1).to("cuda"),
        lambda: cr.set_default_device("cuda"),
        lambda: cr.device("cuda").__enter__(),
        lambda: cr.device("gpu"),
        lambda: cr.device(0),
        lambda: cr.device("cpu:x"),
        lambda: cr.distributed.init_process_group("nccl"),
    ],
)
def test_real_use_raises(use):
    with pytest.raises(DeviceError):
        use()


@pytest.mark.parametrize("kind", [cr.float16, cr.bfloat16, cr.half])
def test_narrow_floats_are_kept_as_float32_which_is_said_once(kind, monkeypatch):
    monkeypatch.setattr(convert, "_said_widened", set())
    with pytest.warns(UserWarning, match="computed as float32"):
        assert cr.zeros(2, dtype=kind).dtype is cr.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cr.ones(2).to(kind).dtype is cr.float32
        assert cr.ones(2, dtype=cr.float64).to(dtype=kind).dtype is cr.float32


def test_arrays_of_narrow_floats_become_float32(monkeypatch):
    monkeypatch.setattr(convert, "_said_widened", set())
    with pytest.warns(UserWarning, match="float16"):
        x = cr.tensor(np.array([0.1], np.float16))
    assert x.dtype is cr.float32
    assert x.item() == float(np.float16(0.1))
    assert cr.zeros(1, dtype=np.float16).dtype is cr.float32
    with pytest.warns(UserWarning, match="bfloat16"):
        assert cr.ones(1).half().dtype is cr.ones(1).bfloat16().dtype is cr.float32


def test_the_default_type():
    cr.set_default_tensor_type("torch.DoubleTensor")
    try:
        assert cr.ones(1).dtype is cr.float64
    finally:
        cr.set_default_tensor_type(cr.FloatTensor)
    with pytest.raises(ArgumentError, match="FloatTensor or DoubleTensor"):
        cr.set_default_tensor_type(cr.LongTensor)


def test_printing():
    x = cr.tensor([1.0, 2.34567, 0.5])
    assert repr(x) == "tensor([1.    , 2.3457, 0.5   ])"
    try:
        cr.set_printoptions(precision=2, sci_mode=False)
        assert repr(x) == "tensor([1.00, 2.35, 0.50])"
        cr.set_printoptions(profile="short", threshold=4, edgeitems=1)
        assert repr(cr.arange(9)) == "tensor([0, ..., 8])"
        with pytest.raises(ArgumentError, match="default, short, full"):
            cr.set_printoptions(profile="long")
    finally:
        cr.set_printoptions(profile="default")
    assert repr(x) == "tensor([1.    , 2.3457, 0.5   ])"
