"""The vector functions against NumPy in float64 (for float32) and mpmath (for float64)."""

import ctypes
import math

import llvmlite.binding as llvm
import mpmath
import numpy as np
import pytest

from chainrule.compiler.codegen.math import MATH, emit_philox
from chainrule.compiler.codegen.math_vector import Vector, hex_float
from chainrule.kernel import scalar

mpmath.mp.dps = 45
_ELEMENT = {"float32": "float", "float64": "double", "int64": "i64"}
_HOST = llvm.get_host_cpu_features()
_WIDE = all(_HOST.get(f"avx512{part}") for part in ("f", "vl", "bw", "dq"))
_alive = []  # engines own the machine code that the tests call


class Body:
    def __init__(self, lanes, avx512):
        self.lanes = lanes
        self.avx512 = avx512
        self.subnormal = False
        self.lines = []
        self.declarations = set()
        self.count = 0

    def fresh(self):
        self.count += 1
        return f"%t{self.count}"

    def line(self, text):
        self.lines.append(f"  {text}")

    def declare(self, text):
        self.declarations.add(text)


def _text(emitter, dtype, lanes, avx512, arity):
    """A function that applies `emitter` to `arity` arrays, `lanes` elements at a time."""
    body = Body(lanes, avx512)
    element = _ELEMENT[dtype]
    for k in range(arity):
        body.line(f"%p{k} = getelementptr {element}, ptr %x{k}, i64 %i")
        body.line(f"%v{k} = load <{lanes} x {element}>, ptr %p{k}, align 1")
    result = emitter(body, dtype, [f"%v{k}" for k in range(arity)])
    body.line(f"%py = getelementptr {element}, ptr %y, i64 %i")
    body.line(f"store <{lanes} x {element}> {result}, ptr %py, align 1")
    arguments = ", ".join(f"ptr %x{k}" for k in range(arity))
    wide = '"prefer-vector-width"="512" "min-legal-vector-width"="512"' if avx512 else ""
    return "\n".join(
        [
            *sorted(body.declarations),
            f"define void @f({arguments}, ptr %y, i64 %n) {wide} {{",
            "entry:",
            "  br label %loop",
            "loop:",
            "  %i = phi i64 [0, %entry], [%j, %loop]",
            *body.lines,
            f"  %j = add i64 %i, {lanes}",
            "  %more = icmp slt i64 %j, %n",
            "  br i1 %more, label %loop, label %done",
            "done:",
            "  ret void",
            "}",
        ]
    )


def _features(avx512):
    drop = () if avx512 else ("avx512", "evex512")
    return ",".join(
        f"{'+' if on and not name.startswith(drop or '?') else '-'}{name}"
        for name, on in _HOST.items()
        if name != "prefer-256-bit"
    )


def vectorize(emitter, dtype, lanes, avx512, arity):
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(_text(emitter, dtype, lanes, avx512, arity))
    module.verify()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(avx512), opt=2
    )
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    _alive.append(engine)
    native = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(
        engine.get_function_address("f")
    )

    def call(*arrays):
        size = arrays[0].size
        padded = [np.concatenate([a, np.ones(-size % lanes, a.dtype)]) for a in arrays]
        out = np.empty_like(padded[0])
        native(*(a.ctypes.data for a in padded), out.ctypes.data, out.size)
        return out[:size]

    return call


# (lanes, AVX-512 instructions): registers of every size, several registers, less than one
WIDTHS = [pytest.param(8, False, id="8"), pytest.param(1, False, id="1")]
WIDTHS += [pytest.param(16, True, id="16-avx512")] if _WIDE else []
ALL_WIDTHS = [(1, False), (2, False), (4, False), (8, False), (16, False)]
ALL_WIDTHS += [(n, True) for n in (1, 2, 4, 8, 16, 32)] if _WIDE else []

NUMPY = {
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": scalar.sigmoid,
    "erf": scalar.erf,
    "pow": np.power,
}
EXACT = {
    "log": mpmath.log,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "pow": mpmath.power,
}
# the errors stated in the docstrings, in ulp: float32, float64
ERROR = {
    "exp": (0.9, 0.9),
    "expm1": (1.5, 1.9),
    "log": (1.1, 0.8),
    "log1p": (1.8, 1.1),
    "tanh": (2.5, 2.3),
    "sigmoid": (2.4, 2.0),
    "erf": (1.8, 1.7),
    "rsqrt": (1.5, 1.5),
    "sin": (0.51, 1.8),
    "cos": (0.51, 1.8),
    "pow": (0.51, 1.2),
}


def reference(name):
    return NUMPY.get(name) or getattr(np, name)


def arity(name):
    return 2 if name == "pow" else 1


def samples(name, dtype, count):
    """Both signs and all magnitudes of the domain, and the interval where all the action is."""
    rng = np.random.default_rng(7)
    small, large = (1e-44, 3e38) if dtype == "float32" else (1e-320, 1e308)
    if name == "pow":
        x = np.exp(rng.uniform(math.log(small), math.log(large), count))
        x[::2] = rng.uniform(0.3, 3, x[::2].size)
        y = rng.uniform(math.log(small), math.log(large), count) / np.log(x)
        return [x.astype(dtype), y.astype(dtype)]
    top = {"log": large, "log1p": large, "rsqrt": large, "sin": 2.0**44, "cos": 2.0**44}
    top = top.get(name, 105.0 if dtype == "float32" else 746.0)
    x = np.exp(rng.uniform(math.log(small), math.log(top), count))
    x[::2] = rng.uniform(-4, 4, x[::2].size)
    x[::5] = rng.uniform(-min(top, 1e3), min(top, 1e3), x[::5].size)
    if name in ("log", "rsqrt"):
        x = np.abs(x)
    if name == "log1p":
        x = np.where(x <= -1, -x, x)
    return [x.astype(dtype)]


def ulps(found, wanted, mantissa, least):
    """|found - wanted| in units of the last place of `wanted` (arrays in a wider format)."""
    _, exponent = np.frexp(wanted)
    return np.abs(found - wanted) / np.ldexp(1.0, np.maximum(exponent - 1, least) - mantissa)


@pytest.mark.parametrize("name", MATH)
@pytest.mark.parametrize(("lanes", "avx512"), WIDTHS)
def test_error_in_float32(name, lanes, avx512):
    ins = samples(name, "float32", 40_000)
    found = vectorize(MATH[name], "float32", lanes, avx512, arity(name))(*ins)
    with np.errstate(all="ignore"):
        wanted = reference(name)(*(x.astype(np.float64) for x in ins))
        rounded = wanted.astype(np.float32)
    finite = np.isfinite(rounded)
    assert np.array_equal(found[~finite], rounded[~finite], equal_nan=True)
    error = ulps(found[finite].astype(np.float64), wanted[finite], 23, -126)
    assert error.max() <= ERROR[name][0], ins[0][finite][error.argmax()]


def exact_error(name, found, point):
    """Error in ulp of a float64 result, against 45 digits."""
    wanted = EXACT.get(name, getattr(mpmath, name, None))(*(mpmath.mpf(float(v)) for v in point))
    if abs(wanted) > np.finfo(np.float64).max:
        return 0.0 if math.isinf(found) else math.inf
    exponent = -1022 if wanted == 0 else max(int(mpmath.floor(mpmath.log(abs(wanted), 2))), -1022)
    return float(abs(mpmath.mpf(float(found)) - wanted) * mpmath.mpf(2) ** (52 - exponent))


@pytest.mark.parametrize("name", MATH)
@pytest.mark.parametrize(("lanes", "avx512"), WIDTHS)
def test_error_in_float64(name, lanes, avx512):
    ins = samples(name, "float64", 400)
    found = vectorize(MATH[name], "float64", lanes, avx512, arity(name))(*ins)
    errors = [exact_error(name, y, point) for y, *point in zip(found, *ins, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= ERROR[name][1], [x[worst] for x in ins]


def special(dtype):
    info = np.finfo(dtype)
    ends = [info.tiny, info.smallest_subnormal, info.max, info.eps, 1 - info.eps, 1 + info.eps]
    whole = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 8.0, 2.0 / info.eps + 1, 2.0 / info.eps + 2, 1e30]
    positive = [*whole, *ends, math.inf, 88.7, 89.0, 103.9, 104.1, 709.7, 709.9, 745.1, 745.3]
    return np.array([*positive, *(-v for v in positive), math.nan], dtype)


@pytest.mark.parametrize("name", MATH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("lanes", "avx512"), WIDTHS)
def test_special_values_are_numpys(name, dtype, lanes, avx512):
    points = special(dtype)
    if name in ("sin", "cos"):
        points = points[(np.abs(points) <= 2.0**44) | ~np.isfinite(points)]
    ins = [points] if arity(name) == 1 else [a.ravel() for a in np.meshgrid(points, points)]
    found = vectorize(MATH[name], dtype, lanes, avx512, arity(name))(*ins)
    with np.errstate(all="ignore"):
        wanted = reference(name)(*(x.astype(np.float64) for x in ins)).astype(dtype)
        close = np.abs(found - wanted) <= 4 * np.spacing(np.abs(wanted))
    same = (found == wanted) | close | (np.isnan(found) & np.isnan(wanted))
    same &= np.isnan(wanted) | (np.signbit(found) == np.signbit(wanted))
    assert same.all(), [(*point,) for point in zip(*(x[~same] for x in ins), found[~same])]  # noqa: B905


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "low"), [("tanh", -1.0), ("erf", -1.0), ("sigmoid", 0.0)])
def test_bounded_functions_stay_in_bounds(name, dtype, low):
    x = np.linspace(-50, 50, 200_001).astype(dtype)
    y = vectorize(MATH[name], dtype, 8, False, 1)(x)
    assert y.min() == pytest.approx(low, abs=1e-20)
    assert y.min() >= low
    assert y.max() == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sin_and_cos_refuse_what_they_cannot_reduce(dtype):
    beyond = np.array([np.nextafter(np.array(2.0**44, dtype), np.inf), 1e30], dtype)
    for name in ("sin", "cos"):
        assert np.isnan(vectorize(MATH[name], dtype, 8, False, 1)(beyond)).all()


@pytest.mark.parametrize("name", MATH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_do_not_depend_on_the_width(name, dtype):
    ins = samples(name, dtype, 256)
    results = [
        vectorize(MATH[name], dtype, lanes, avx512, arity(name))(*ins)
        for lanes, avx512 in ALL_WIDTHS
    ]
    for other in results[1:]:
        assert np.array_equal(results[0], other, equal_nan=True)


@pytest.mark.parametrize("name", MATH)
@pytest.mark.parametrize("avx512", [False, True])
def test_no_calls_but_intrinsics_and_no_fast_math(name, avx512):
    body = Body(16, avx512)
    MATH[name](body, "float32", ["%x", "%y"])
    assert all("@llvm." in text for text in body.declarations)
    text = "\n".join(body.lines)
    assert not any(word in text for word in (" br ", "fast", "nnan", "ninf", "contract", "fptosi"))


@pytest.mark.parametrize(
    ("triple", "cpu", "lanes"),
    [("aarch64-unknown-linux-gnu", "generic", 4), ("x86_64-unknown-linux-gnu", "haswell", 8)],
)
def test_other_machines_need_no_library(triple, cpu, lanes):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=1)
    for name in MATH:
        for dtype in ("float32", "float64"):
            module = llvm.parse_assembly(_text(MATH[name], dtype, lanes, False, arity(name)))
            module.triple = triple
            lines = map(str.strip, machine.emit_assembly(module).splitlines())
            assert not [line for line in lines if line.startswith(("bl\t", "call"))], name


def philox_emitter(word):
    return lambda body, _, ins: emit_philox(body, ins, word)


def test_philox_gives_the_published_words():
    # the known answers of Random123 (kat_vectors, philox4x32 10)
    ones = 0xFFFFFFFF
    inputs = [[0] * 6, [ones] * 6]
    inputs.append([0xA4093822, 0x299F31D0, 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344])
    published = [
        [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ]
    ins = np.array(inputs, np.int64).T.copy()
    for word in range(4):
        found = vectorize(philox_emitter(word), "int64", 8, False, 6)(*ins)
        assert found.tolist() == [words[word] for words in published]


@pytest.mark.parametrize(("lanes", "word"), [(1, 0), (2, 1), (4, 2), (8, 3), (16, 0), (16, 3)])
def test_philox_equals_its_numpy_meaning(lanes, word):
    rng = np.random.default_rng(lanes)
    ins = list(rng.integers(0, 2**63, (6, 500), dtype=np.int64))  # upper halves are ignored
    found = vectorize(philox_emitter(word), "int64", lanes, False, 6)(*ins)
    assert np.array_equal(found, scalar.philox(tuple(ins), word))


def test_constants_are_spelled_as_llvm_wants_them():
    assert hex_float(1.0, "float32") == "0x3FF0000000000000"
    assert hex_float(0.1, "float32") == "0x3FB99999A0000000"
    assert hex_float(0.1, "float64") == "0x3FB999999999999A"
    assert hex_float(-math.inf, "float32") == "0xFFF0000000000000"
    assert Vector(Body(16, False), "float32").integer(3) == "splat (i32 3)"
