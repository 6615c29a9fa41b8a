"""`import chainrule` costs about what `import numpy` costs: nothing heavy comes with it."""

from __future__ import annotations

import json

from tests.structure.package import ROOT, run_python

HEAVY = (
    "llvmlite", "rich", "click", "msgspec", "safetensors", "threadpoolctl", "tomli_w", "torch",
    "regex", "sklearn", "tokenizers",
    "concurrent.futures.process", "multiprocessing", "asyncio", "unittest", "http", "pydoc",
)  # fmt: skip
# Each would bring its own train of modules: needed at the first backward, NumPy call or error.
LATER = (
    "chainrule.compiler", "chainrule.nn", "chainrule.optim", "chainrule.tensor.backward",
    "chainrule.tensor.numpy_calls", "chainrule.tensor.origin", "chainrule.tensor.trace",
)  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after the statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    return set(json.loads(run_python("-c", code, cwd=ROOT)))


def test_nothing_heavy_is_imported():
    extra = loaded_by("import chainrule") - loaded_by("import numpy")
    heavy = [name for name in HEAVY if name in extra]
    assert not heavy, f"`import chainrule` also imports {heavy}"


def test_what_only_some_programs_need_comes_with_its_first_use():
    early = loaded_by("import chainrule") & {*LATER}
    assert not early, f"`import chainrule` also imports {sorted(early)}"


def test_the_face_is_complete_without_the_compiler():
    done = loaded_by(
        "import chainrule as cr\n"
        "from chainrule import nn, optim\n"
        "import chainrule.nn.functional as F\n"
        "F.relu(nn.Linear(2, 2)(cr.ones(1, 2))).sum().backward()"
    )
    assert "llvmlite" not in done, "an eager program must not load the code generator"
