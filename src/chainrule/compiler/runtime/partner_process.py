"""The program of the partner process: LLVM texts come in, object code goes out.

Started by `partner.py` as a file, without chainrule: it needs the standard library and llvmlite,
whose folder is its first argument; cpu, features, the code generator's level and the code model
follow. A message is its length in 8 bytes and then the bytes. Object code of no bytes means that
LLVM refused; a byte at the start says that it is ready. It ends when its input does, or after ten
idle seconds.
"""

from __future__ import annotations

import select
import signal
import sys
from typing import IO, Any

_IDLE = 10.0  # seconds


def main(folder: str, cpu: str, features: str, opt: str, codemodel: str) -> None:
    """Answer until there is no more to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that asked
    sys.path.insert(0, folder)
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=int(opt), reloc="pic", codemodel=codemodel
    )
    inward, outward = open(0, "rb", 0), sys.stdout.buffer  # noqa: SIM115 - unbuffered
    outward.write(b"!")
    outward.flush()
    while select.select([inward], [], [], _IDLE)[0]:
        size = _read(inward, 8)
        text = _read(inward, int.from_bytes(size, "little"))
        if not text:
            return
        raw = _compile(llvm, machine, text.decode())
        outward.write(len(raw).to_bytes(8, "little") + raw)
        outward.flush()


def _read(source: IO[bytes], count: int) -> bytes:
    """Exactly so many bytes, or fewer at the end of the input."""
    parts = []
    while count and (part := source.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _compile(llvm: Any, machine: Any, text: str) -> bytes:
    try:
        module = llvm.parse_assembly(text)
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        return bytes(machine.emit_object(module))
    except RuntimeError:
        return b""


if __name__ == "__main__":
    main(*sys.argv[1:])
