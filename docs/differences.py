"""Write docs/differences.md from what is really here: `python docs/differences.py`.

PyTorch's names are kept in docs/torch_names.json, so that the page builds without it;
`python docs/differences.py --names` lists those of the installed PyTorch again.
Names that are present and differ on purpose are in docs/differences.toml.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
import types
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
NAMES, NOTES, PAGE = (
    HERE / file for file in ("torch_names.json", "differences.toml", "differences.md")
)
SPACES = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils",
    "torch.nn.utils.rnn", "torch.optim", "torch.optim.lr_scheduler", "torch.optim.swa_utils",
    "torch.utils.data", "torch.utils.checkpoint", "torch.autograd", "torch.autograd.functional",
    "torch.func", "torch.linalg", "torch.special", "torch.profiler",
)  # fmt: skip
# PyTorch's own machinery and the forms it keeps for other backends: no program for language uses it
_INTERNAL = re.compile(
    r"(cudnn|miopen|mkldnn|fbgemm|quantize|quantized|q|sym|native|hsm|import_ir|parse|unsafe|"
    r"fake_quantize|fused_moving|batch_norm_(back|elemt|gather|stats|update)|choose_qparams|"
    r"(get|set|is)_autocast_(ipu|xla|gpu|cpu))_.*|.*(_copy|_nnz|storage|Storage|sparse.*|"
    r"_(col|row|ccol|crow)_indices)|(u?int|bits|float|qu?int)\d+(x\d+|_.*)?|Script.*|.*Type|"
    r"AVG|SUM|BroadcastingList.*|GRID_.*|TYPE_CHECKING|.*_notes|(has|handle)_torch_.*|cpp|"
    r"boolean_dispatch|assert_int_or_pair|factory_kwargs|Uninit.*|.*DataPipe.*|.*datapipe.*|"
    r"argument_validation|non_determ.*|runtime_valid.*|debug_unwrap|invert_permutation|"
    r"__.*|init_num_threads|merge_type.*|unify_type.*|wait|fork|profiler_.*|USE_.*|PRIVATE_.*"
)
_KEPT = {"int32", "int64", "int8", "int16", "uint8", "float16", "float32", "float64", "numel"}
_CLASSES = {"Generator", "Size", "Tensor", "device", "dtype", "finfo", "iinfo", "layout"}


class Space(NamedTuple):
    """One namespace: names that are here, here and different, not here."""

    name: str
    same: list[str]
    different: dict[str, str]
    absent: list[str]


def find(path: str) -> Any:
    """A module or class by its dotted path; None if there is none."""
    try:
        return importlib.import_module(path)
    except ImportError:
        parent, _, name = path.rpartition(".")
        return getattr(find(parent), name, None) if parent else None


def public(space: str) -> list[str]:
    """The public names of one of PyTorch's namespaces."""
    place = find(space)
    listed = [n for n in getattr(place, "__all__", ()) if n in dir(place)]
    names = listed or [n for n in dir(place) if _made_there(n, getattr(place, n, None))]
    if space == "torch":
        names += ["set_default_dtype", "set_grad_enabled", "unique", "from_dlpack"]
        names += ["broadcast_shapes", *(s.split(".")[1] for s in SPACES if s.count(".") == 1)]
        names = [n for n in names if not _machinery(n, getattr(place, n, None))]
    kept = {n for n in names if n in _KEPT or not (n.startswith("_") or _INTERNAL.fullmatch(n))}
    return sorted(kept)


def _made_there(name: str, value: Any) -> bool:
    if name.startswith("_") or isinstance(value, types.ModuleType):
        return False
    home = getattr(value, "__module__", None) or "torch"
    return home.startswith("torch") and not hasattr(value, "__origin__")


def _machinery(name: str, value: Any) -> bool:
    """Classes of the just-in-time compiler and other parts of the C extension."""
    if not isinstance(value, type) or name in _CLASSES:
        return False
    return value.__module__.startswith("torch._C") or (name[0].isupper() and "Tensor" not in name)


def spaces() -> list[Space]:
    """What is here of every namespace."""
    names = json.loads(NAMES.read_text(encoding="utf-8"))
    notes = tomllib.loads(NOTES.read_text(encoding="utf-8"))
    return [_compared(name, names[name], notes.get(name, {})) for name in SPACES]


def _compared(name: str, theirs: list[str], written: dict[str, str]) -> Space:
    notes = {each: note for several, note in written.items() for each in several.split(", ")}
    place = find("chainrule" + name.removeprefix("torch"))
    here = [n for n in theirs if place is not None and _has(place, n)]
    unknown = sorted(set(notes) - set(here))
    if unknown:
        raise SystemExit(f"{NOTES.name} [{name}] describes what is not there: {unknown}")
    return Space(
        name,
        [n for n in here if n not in notes],
        {n: notes[n] for n in here if n in notes},
        [n for n in theirs if n not in here],
    )


def _has(place: Any, name: str) -> bool:
    if isinstance(place, type):
        return name in dir(place) and hasattr(place, name)
    return find(f"{place.__name__}.{name}") is not None or hasattr(place, name)


def page(found: list[Space]) -> str:
    """The page's text."""
    lines = [
        "# Differences from PyTorch",
        "",
        "<!-- written by `python docs/differences.py` -->",
        "",
        "The names of PyTorch 2.13, present or absent. *Same* means the same arguments, defaults",
        "and results, compared on PyTorch's own samples if it has some ([table](oracle.md));",
        "*different* names are explained below. An absent name raises when it is used, and the",
        "message has the name and your line. Not counted are PyTorch's internals: types of its",
        "just-in-time compiler, quantised, sparse and `cudnn_*`-like functions.",
        "",
        "| namespace | names | same | different | absent |",
        "|---|---:|---:|---:|---:|",
    ]
    for s in found:
        total = len(s.same) + len(s.different) + len(s.absent)
        lines.append(
            f"| `{s.name}` | {total} | {len(s.same)} | {len(s.different)} | {len(s.absent)} |"
        )
    lines += ["", *_general()]
    for s in found:
        lines += ["", f"## `{s.name}`", ""]
        if s.different:
            lines += ["Different:", "", *_explained(s.different), ""]
        lines += ["Same:", "", _listed(s.same), "", "Absent:", "", _listed(s.absent)]
    return "\n".join(lines) + "\n"


def _general() -> list[str]:
    notes = tomllib.loads(NOTES.read_text(encoding="utf-8"))["everywhere"]
    return ["## Everywhere", "", *[f"- **{what}.** {how}" for what, how in notes.items()]]


def _explained(different: dict[str, str]) -> list[str]:
    """A line for each note, with all names that it explains."""
    names: dict[str, list[str]] = {}
    for name, note in different.items():
        names.setdefault(note, []).append(name)
    return [f"- {_listed(several)}: {note}" for note, several in names.items()]


def _listed(names: list[str]) -> str:
    return " ".join(f"`{n}`" for n in names) if names else "nothing."


def main(arguments: list[str]) -> None:
    """Write the page, after PyTorch's names if asked to."""
    if "--names" in arguments:
        text = json.dumps({s: public(s) for s in SPACES}, indent=1)
        NAMES.write_text(text + "\n", encoding="utf-8")
    found = spaces()
    PAGE.write_text(page(found), encoding="utf-8")
    here = sum(len(s.same) + len(s.different) for s in found)
    print(f"{PAGE.name}: {here} names here, {sum(len(s.absent) for s in found)} absent")


if __name__ == "__main__":
    main(sys.argv[1:])
