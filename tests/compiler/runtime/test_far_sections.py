"""Code reaches its constants wherever the system maps memory: linking never ends the process."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import AVX2
from tests.kernel import samples

# All free places above a reservation of 8 GB are filled, then one page is freed before each kernel:
# a linker that maps each section for itself puts code there, and constants below the reservation.
FULL = """
import ctypes
import chainrule as cr

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

def reserve(size):
    return libc.mmap(None, size, 3, 0x4022, -1, 0)  # private, anonymous, without memory behind it

x = cr.full((5, 7), 0.5)
cr.compile(lambda a: cr.exp(a).sum())(x)
wall, pages = reserve(8 << 30), []
while (page := reserve(4096)) > wall:
    pages.append(page)
for k in range(12):
    libc.munmap(pages.pop(len(pages) // 2 if k % 2 else -1), 4096)
    step = lambda a: cr.exp(a * (k + 1.5)).sum() + cr.erf(a * (k + 0.25)).sum()
    assert abs(float(cr.compile(step)(x)) - float(step(x))) <= 1e-5 * float(step(x))
print("alive")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers of Linux's mmap")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_code_and_constants_stay_together_in_a_full_address_space(threads):
    environment = {**os.environ, "CHAINRULE_CACHE_DIR": "off", "CHAINRULE_THREADS": threads}
    command = [sys.executable, "-c", FULL]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.stdout.strip() == "alive", (done.returncode, done.stderr[-500:])


@pytest.mark.parametrize("kernel", samples.ALL, ids=lambda k: k.name)
def test_code_without_jitlink_addresses_constants_absolutely(kernel):
    """What Windows gets: nothing that has to be near the code."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = "x86_64-pc-windows-msvc"
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=AVX2.cpu, features=AVX2.features, opt=2, reloc="pic", codemodel="large"
    )
    module = llvm.parse_assembly(emit(kernel, AVX2, "f"))
    module.triple, module.data_layout = triple, str(machine.target_data)
    assert not re.search(r"\(%rip\)", machine.emit_assembly(module))
