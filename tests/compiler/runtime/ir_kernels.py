"""Kernels written by hand in LLVM IR, for tests of the runtime without the code generator.

`load("count", "mix")` compiles and loads some of them; the arguments of each stand beside it.
"""

from __future__ import annotations

from chainrule.compiler.runtime.native import engine

# A body runs task %t.
_LOOP = """
define void @{name}(ptr %args, i64 %first, i64 %last, ptr %scratch) nounwind {{
entry:
{prologue}
  br label %check
check:
  %t = phi i64 [ %first, %entry ], [ %t.next, %task ]
  %more = icmp slt i64 %t, %last
  br i1 %more, label %task, label %done
task:
{body}
  %t.next = add i64 %t, 1
  br label %check
done:
  ret void
}}
"""


def _arg(number: int, name: str, kind: str = "i64") -> str:
    return (
        f"  %arg{number} = getelementptr i64, ptr %args, i64 {number}\n"
        f"  %{name} = load {kind}, ptr %arg{number}"
    )


def _kernel(name: str, args: list[str], body: str, outside: str = "") -> str:
    return outside + _LOOP.format(name=name, prologue="\n".join(args), body=body)


KERNELS = {
    # out[t] += 1
    "count": _kernel(
        "count",
        [_arg(0, "out", "ptr")],
        """
  %p = getelementptr i64, ptr %out, i64 %t
  %old = load i64, ptr %p
  %new = add i64 %old, 1
  store i64 %new, ptr %p""",
    ),
    # dst[t] = 31 * src[(5 t + 3) mod n] + salt + t: every element depends on another one
    "mix": _kernel(
        "mix",
        [_arg(0, "src", "ptr"), _arg(1, "dst", "ptr"), _arg(2, "n"), _arg(3, "salt")],
        """
  %five = mul i64 %t, 5
  %far = add i64 %five, 3
  %from = urem i64 %far, %n
  %src.p = getelementptr i64, ptr %src, i64 %from
  %value = load i64, ptr %src.p
  %scaled = mul i64 %value, 31
  %salted = add i64 %scaled, %salt
  %result = add i64 %salted, %t
  %dst.p = getelementptr i64, ptr %dst, i64 %t
  store i64 %result, ptr %dst.p""",
    ),
    # log[next++] = value, with next and log in one array
    "note": _kernel(
        "note",
        [_arg(0, "log", "ptr"), _arg(1, "value")],
        """
  %at = atomicrmw add ptr %log, i64 1 seq_cst
  %at.1 = add i64 %at, 1
  %p = getelementptr i64, ptr %log, i64 %at.1
  store i64 %value, ptr %p""",
    ),
    # out[t] = value
    "fill": _kernel(
        "fill",
        [_arg(0, "out", "ptr"), _arg(1, "value")],
        """
  %p = getelementptr i64, ptr %out, i64 %t
  store i64 %value, ptr %p""",
    ),
    # out[t] = address of the scratch, whose first and last word are written
    "borrow": _kernel(
        "borrow",
        [_arg(0, "out", "ptr"), _arg(1, "words")],
        """
  store i64 %t, ptr %scratch
  %before = sub i64 %words, 1
  %end = getelementptr i64, ptr %scratch, i64 %before
  store i64 %t, ptr %end
  %address = ptrtoint ptr %scratch to i64
  %p = getelementptr i64, ptr %out, i64 %t
  store i64 %address, ptr %p""",
    ),
    # out[t] = value * 0.5 in float32
    "halve": _kernel(
        "halve",
        [_arg(0, "value", "float"), _arg(1, "out", "ptr")],
        """
  %half = fmul float %value, 0.5
  %p = getelementptr float, ptr %out, i64 %t
  store float %half, ptr %p""",
    ),
    # out[t] = address of the scratch, after counting to `steps`
    "burn": """
define void @burn(ptr %args, i64 %first, i64 %last, ptr %scratch) nounwind {
entry:
  %out = load ptr, ptr %args
  %arg1 = getelementptr i64, ptr %args, i64 1
  %steps = load i64, ptr %arg1
  %address = ptrtoint ptr %scratch to i64
  br label %task
task:
  %t = phi i64 [ %first, %entry ], [ %t.next, %finish ]
  br label %spin
spin:
  %i = phi i64 [ 0, %task ], [ %i.next, %spin ]
  %i.next = add i64 %i, 1
  store volatile i64 %i, ptr %scratch
  %more = icmp slt i64 %i.next, %steps
  br i1 %more, label %spin, label %finish
finish:
  %p = getelementptr i64, ptr %out, i64 %t
  store i64 %address, ptr %p
  %t.next = add i64 %t, 1
  %others = icmp slt i64 %t.next, %last
  br i1 %others, label %task, label %done
done:
  ret void
}
""",
    # out[0] = memcpy'd, out[1] = memset, out[2] = exp(1), out[3] = pow(2, 0.5): C library calls
    "calls": """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare float @llvm.exp.f32(float)
declare double @llvm.pow.f64(double, double)
define void @calls(ptr %args, i64 %first, i64 %last, ptr %scratch) nounwind {
  %out = load ptr, ptr %args
  %bytes = mul i64 %last, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %out, ptr %args, i64 %bytes, i1 false)
  %p1 = getelementptr i64, ptr %out, i64 1
  call void @llvm.memset.p0.i64(ptr %p1, i8 7, i64 %bytes, i1 false)
  %whole = sitofp i64 %last to float
  %e = call float @llvm.exp.f32(float %whole)
  %e.wide = fpext float %e to double
  %p2 = getelementptr double, ptr %out, i64 2
  store double %e.wide, ptr %p2
  %two = fadd double 1.0, 1.0
  %root = call double @llvm.pow.f64(double %two, double 0.5)
  %p3 = getelementptr double, ptr %out, i64 3
  store double %root, ptr %p3
  ret void
}
""",
}


def load(*names: str) -> dict[str, int]:
    """Addresses of these kernels."""
    return engine().load({name: KERNELS[name] for name in names})
