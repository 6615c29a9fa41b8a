"""The primitives that are a few instructions each: arithmetic, comparison, logic, conversion.

Nothing traps and nothing is undefined: integers divide by zero to 0, NaN converts to 0, max and
min propagate NaN. No fast-math: sums and products are rounded one by one. Imports base.

Example: `arithmetic(writer, "max", float32, 16, ("%a", "%b"))` is two compares and two selects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.base.dtypes import DType
from chainrule.base.errors import CompileError
from chainrule.compiler.codegen.tiles import is_literal, literal, spell, suffix
from chainrule.compiler.codegen.writer import Writer

_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_INTEGER = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}
_BOOL = {"add": "or", "mul": "and", "max": "or", "min": "and", "and": "and", "or": "or"}
_ROUND = {"floor": "floor", "ceil": "ceil", "round": "roundeven", "trunc": "trunc", "abs": "fabs"}
_COMPARE = {
    "eq": ("oeq", "eq"),
    "ne": ("une", "ne"),
    "lt": ("olt", "lt"),
    "le": ("ole", "le"),
    "gt": ("ogt", "gt"),
    "ge": ("oge", "ge"),
}


class Lanes:
    """Instructions on operands of one dtype, `width` lanes wide (1: scalars)."""

    def __init__(self, writer: Writer, dtype: DType, width: int) -> None:
        self.writer = writer
        self.dtype = dtype
        self.width = width
        self.kind = spell(dtype, width)
        self.bits = "i1" if width == 1 else f"<{width} x i1>"

    def number(self, value: float) -> str:
        """A constant in every lane."""
        return literal(value, self.dtype, self.width)

    def op(self, name: str, a: str, b: str) -> str:
        """A binary instruction."""
        return self.writer.op(f"{name} {self.kind} {a}, {b}")

    def compare(self, predicate: str, a: str, b: str) -> str:
        """`fcmp` or `icmp`."""
        name = "fcmp" if self.dtype.kind == "float" else "icmp"
        return self.writer.op(f"{name} {predicate} {self.kind} {a}, {b}")

    def select(self, mask: str, yes: str, no: str) -> str:
        """`yes` where the mask holds, else `no`."""
        return self.writer.op(f"select {self.bits} {mask}, {self.kind} {yes}, {self.kind} {no}")

    def call(self, name: str, *ins: str, flags: Sequence[tuple[str, str]] = ()) -> str:
        """An overloaded intrinsic `llvm.name` on this type."""
        full = f"llvm.{name}.{suffix(self.dtype, self.width)}"
        return self.writer.call(self.kind, full, [*((self.kind, i) for i in ins), *flags])


def arithmetic(writer: Writer, fn: str, dtype: DType, width: int, ins: Sequence[str]) -> str:
    """`fn` of operands of equal dtype; comparisons give i1, everything else that dtype."""
    on = Lanes(writer, dtype, width)
    if fn in _COMPARE:
        real, whole = _COMPARE[fn]
        if dtype.kind == "float":
            return on.compare(real, *ins)
        order = "" if whole in ("eq", "ne") else ("s" if dtype.is_signed else "u")
        return on.compare(order + whole, *ins)
    table = {"float": _FLOAT, "int": _INTEGER, "bool": {**_BOOL, "xor": "xor"}}[dtype.kind]
    if fn in table:
        return on.op(table[fn], ins[0], ins[1])
    if fn == "not" and dtype.kind == "bool":
        return on.op("xor", ins[0], on.number(1))
    rules = _FLOAT_RULES if dtype.kind == "float" else _INTEGER_RULES
    if dtype.kind == "bool" or fn not in rules:
        raise CompileError(f"primitive {fn!r} is not defined for {dtype}")
    return rules[fn](on, ins)


def handles(fn: str) -> bool:
    """Whether `arithmetic` knows a primitive of floats, for scalars and vectors alike."""
    return fn in _FLOAT_RULES


def select(writer: Writer, dtype: DType, width: int, mask: str, yes: str, no: str) -> str:
    """`yes` where `mask`, else `no`."""
    return Lanes(writer, dtype, width).select(mask, yes, no)


def fused(writer: Writer, dtype: DType, width: int, a: str, b: str, c: str) -> str:
    """a · b + c: rounded once for floats, modulo 2^bits for integers."""
    on = Lanes(writer, dtype, width)
    if dtype.kind == "float":
        return on.call("fma", a, b, c)
    return on.op("add", on.op("mul", a, b), c)


# floats


def _float_round(name: str) -> Callable[[Lanes, Sequence[str]], str]:
    return lambda on, ins: on.call(_ROUND[name], ins[0])


def _float_extreme(on: Lanes, ins: Sequence[str], predicate: str) -> str:
    """max or min: the machine's instruction returns its second operand when one is NaN."""
    a, b = ins
    if _is_number(b):
        a, b = b, a
    best = on.select(on.compare(predicate, a, b), a, b)
    if _is_number(a):  # only b can be NaN
        return best
    return on.select(on.compare("uno", a, a), a, best)


def _is_number(text: str) -> bool:
    """Whether an operand is a constant and not NaN."""
    return is_literal(text) and "0x7FF8" not in text and "0xFFF8" not in text


def _float_sign(on: Lanes, ins: Sequence[str]) -> str:
    (x,) = ins
    zero, one, minus = on.number(0), on.number(1), on.number(-1)
    up = on.select(on.compare("ogt", x, zero), one, zero)
    either = on.select(on.compare("olt", x, zero), minus, up)
    return on.select(on.compare("uno", x, x), x, either)


def _float_modulo(on: Lanes, ins: Sequence[str]) -> str:
    return _float_divmod(on, ins)[1]


def _float_floordiv(on: Lanes, ins: Sequence[str]) -> str:
    return _float_divmod(on, ins)[0]


def _float_divmod(on: Lanes, ins: Sequence[str]) -> tuple[str, str]:
    """As NumPy's `npy_divmod`: C's fmod, moved to the divisor's sign; the quotient re-rounded."""
    a, b = ins
    zero = on.number(0)
    rest = on.op("frem", a, b)
    plain = on.op("fdiv", a, b)
    inexact = on.compare("une", rest, zero)
    opposite = on.writer.op(
        f"xor {on.bits} {on.compare('olt', b, zero)}, {on.compare('olt', rest, zero)}"
    )
    shift = on.writer.op(f"and {on.bits} {inexact}, {opposite}")
    quotient = on.op("fdiv", on.op("fsub", a, rest), b)
    quotient = on.select(shift, on.op("fsub", quotient, on.number(1)), quotient)
    mod = on.select(shift, on.op("fadd", rest, b), rest)
    mod = on.select(inexact, mod, on.call("copysign", zero, b))
    whole = on.call("floor", quotient)
    late = on.compare("ogt", on.op("fsub", quotient, whole), on.number(0.5))
    whole = on.select(late, on.op("fadd", whole, on.number(1)), whole)
    is_zero = on.compare("oeq", quotient, zero)
    whole = on.select(is_zero, on.call("copysign", zero, plain), whole)
    by_zero = on.compare("oeq", b, zero)
    return on.select(by_zero, plain, whole), on.select(by_zero, rest, mod)


_FLOAT_RULES: dict[str, Callable[[Lanes, Sequence[str]], str]] = {
    **{name: _float_round(name) for name in _ROUND},
    "neg": lambda on, ins: on.writer.op(f"fneg {on.kind} {ins[0]}"),
    "max": lambda on, ins: _float_extreme(on, ins, "ogt"),
    "min": lambda on, ins: _float_extreme(on, ins, "olt"),
    "sign": _float_sign,
    "sqrt": lambda on, ins: on.call("sqrt", ins[0]),
    "copysign": lambda on, ins: on.call("copysign", *ins),
    "rsqrt": lambda on, ins: on.op("fdiv", on.number(1), on.call("sqrt", ins[0])),
    "mod": _float_modulo,
    "floordiv": _float_floordiv,
}


# integers


def _integer_extreme(name: str) -> Callable[[Lanes, Sequence[str]], str]:
    def rule(on: Lanes, ins: Sequence[str]) -> str:
        return on.call(("s" if on.dtype.is_signed else "u") + name, *ins)

    return rule


def _integer_sign(on: Lanes, ins: Sequence[str]) -> str:
    (x,) = ins
    zero = on.number(0)
    up = on.select(on.compare("ne", x, zero), on.number(1), zero)
    if not on.dtype.is_signed:
        return up
    return on.select(on.compare("slt", x, zero), on.number(-1), up)


def _integer_divide(on: Lanes, ins: Sequence[str]) -> tuple[str, str]:
    """Quotient and remainder rounded towards minus infinity; both 0 where the divisor is 0.

    Neither the divisor 0 nor the overflow of (least number) / -1 reaches the instruction.
    """
    a, b = ins
    zero, one = on.number(0), on.number(1)
    by_zero = on.compare("eq", b, zero)
    if not on.dtype.is_signed:
        safe = on.select(by_zero, one, b)
        quotient, rest = on.op("udiv", a, safe), on.op("urem", a, safe)
        return on.select(by_zero, zero, quotient), on.select(by_zero, zero, rest)
    by_minus_one = on.compare("eq", b, on.number(-1))
    safe = on.select(on.writer.op(f"or {on.bits} {by_zero}, {by_minus_one}"), one, b)
    quotient = on.op("sdiv", a, safe)
    rest = on.op("sub", a, on.op("mul", quotient, safe))
    inexact = on.compare("ne", rest, zero)
    opposite = on.compare("slt", on.op("xor", rest, safe), zero)
    shift = on.writer.op(f"and {on.bits} {inexact}, {opposite}")
    quotient = on.select(shift, on.op("sub", quotient, one), quotient)
    rest = on.select(shift, on.op("add", rest, safe), rest)
    quotient = on.select(by_minus_one, on.op("sub", zero, a), quotient)
    return on.select(by_zero, zero, quotient), on.select(by_zero, zero, rest)


def _integer_abs(on: Lanes, ins: Sequence[str]) -> str:
    if not on.dtype.is_signed:
        return ins[0]
    return on.call("abs", ins[0], flags=(("i1", "false"),))


def _shift(on: Lanes, ins: Sequence[str], name: str) -> str:
    """A shift by any count: beyond the last bit all go out, and copies of the sign come in."""
    a, count = ins
    bits = 8 * on.dtype.itemsize
    fits = on.compare("ult", count, on.number(bits))
    if name == "ashr":
        return on.op(name, a, on.select(fits, count, on.number(bits - 1)))
    return on.select(fits, on.op(name, a, on.select(fits, count, on.number(0))), on.number(0))


_INTEGER_RULES: dict[str, Callable[[Lanes, Sequence[str]], str]] = {
    **{name: lambda _, ins: ins[0] for name in ("floor", "ceil", "round", "trunc")},
    "neg": lambda on, ins: on.op("sub", on.number(0), ins[0]),
    "abs": _integer_abs,
    "sign": _integer_sign,
    "max": _integer_extreme("max"),
    "min": _integer_extreme("min"),
    "floordiv": lambda on, ins: _integer_divide(on, ins)[0],
    "mod": lambda on, ins: _integer_divide(on, ins)[1],
    "shl": lambda on, ins: _shift(on, ins, "shl"),
    "shr": lambda on, ins: _shift(on, ins, "ashr" if on.dtype.is_signed else "lshr"),
}


def cast(writer: Writer, source: DType, to: DType, width: int, value: str) -> str:
    """Convert: float → int truncates, clamps to the range and makes NaN 0; → bool is x ≠ 0."""
    if source is to:
        return value
    old, new = spell(source, width), spell(to, width)
    if to.kind == "bool":
        on = Lanes(writer, source, width)
        return on.compare("une" if source.kind == "float" else "ne", value, on.number(0))
    if source.kind == "float" and to.kind == "int":
        name = "llvm.fptosi.sat" if to.is_signed else "llvm.fptoui.sat"
        full = f"{name}.{suffix(to, width)}.{suffix(source, width)}"
        return writer.call(new, full, ((old, value),))
    if source.kind == "float":
        name = "fpext" if to.itemsize > source.itemsize else "fptrunc"
    elif to.kind == "float":
        name = "sitofp" if source.is_signed else "uitofp"
    elif source.kind == "bool" or to.itemsize > source.itemsize:
        name = "sext" if source.is_signed else "zext"
    else:
        name = "trunc"
    return writer.op(f"{name} {old} {value} to {new}")
