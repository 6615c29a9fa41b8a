"""The origin of a failed operation's operands: the line that made each tensor, or its wrong axis.

Read from the traceback when an error is shown. The operands are the arguments of the package's
function that the program (or a layer) called. A computed tensor's node has its line; an axis is
followed back through the operations that keep it. A tensor without a graph is searched for among
the program's variables. What is uncertain is left out. Example: `told(error)`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base.assignment import assigned_at
from chainrule.base.errors import ChainruleError, IndexBoundsError, ShapeError
from chainrule.base.frames import PACKAGE, entries, is_own
from chainrule.base.source import Source
from chainrule.graph.node import INPUT, Node, Type
from chainrule.tensor.axis_origin import passed_on
from chainrule.tensor.handle import Handle
from chainrule.tensor.trace import Trace

if TYPE_CHECKING:
    from chainrule.base.errors import Axis

_MOST = 3  # operands that a message shows
_ROOMS = tuple(PACKAGE + each for each in ("tensor", "nn"))
_NAMELESS = frozenset({"self", "tensors", "output"})  # arguments whose name says nothing
_TAKES_MANY, _IS_NESTED = 0x04, 0x10  # flags of code: with *names; inside a function
_LONGEST = 60  # characters of a source line
_FEW = 1000  # searched members of a list


class Call(NamedTuple):
    """A frame of the traceback, and its current line."""

    frame: FrameType
    line: int

    @property
    def file(self) -> str:
        """The file of the frame's code."""
        return self.frame.f_code.co_filename


Calls = list[Call]


def told(error: ChainruleError) -> list[str]:
    """One line per operand with a known origin."""
    calls = [Call(each.tb_frame, each.tb_lineno) for each in entries(error.__traceback__)]
    named = [(name, value) for name, value in error.operands if isinstance(value, Handle)]
    held = isinstance(error, ShapeError | IndexBoundsError)  # else parameters are not at fault
    return _lines(calls, error.axis, named or _operands(calls), held=held)


def told_now(axis: Axis = None) -> list[str]:
    """The same for a warning: the operands of the call that is running."""
    calls: Calls = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        calls.append(Call(frame, frame.f_lineno))
        frame = frame.f_back
    return _lines(calls[::-1], axis, _operands(calls[::-1]), held=True)


def _lines(
    calls: Calls, axis: Axis, operands: list[tuple[str, Handle]], *, held: bool
) -> list[str]:
    said: dict[str, str] = {}
    for name, handle in operands:
        if isinstance(axis, Mapping) and name.partition("[")[0] not in axis:
            continue
        wanted = axis[name.partition("[")[0]] if isinstance(axis, Mapping) else axis
        text = _path(handle, calls)
        if text and not held:
            continue
        text = text or _told(handle, wanted, calls)
        if text and text not in said and len(said) < _MOST:
            shape = f" {tuple(handle.shape)}" if handle.shape else ""
            said[text] = f"{name}{shape}: {text}"
    return list(said.values())


# -- the operands ---------------------------------------------------------------------------------


def _operands(calls: Calls) -> list[tuple[str, Handle]]:
    """The tensors among the arguments of the function that the program or a layer called."""
    start = max((i for i, each in enumerate(calls) if is_own(each.file)), default=-1)
    forward: Call | None = None
    outermost: list[tuple[str, Handle]] = []
    for each in calls[start + 1 :]:
        name = each.frame.f_code.co_name
        if name == "forward":
            forward, outermost = each, []
        private = name.startswith("<") or (name.startswith("_") and not name.startswith("__"))
        if private or name in {"forward", "__call__"} or not each.file.startswith(_ROOMS):
            continue
        outermost = outermost or list(_arguments(each.frame))
    return outermost or ([] if forward is None else list(_arguments(forward.frame)))


def _arguments(frame: FrameType) -> Iterator[tuple[str, Handle]]:
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    # A wrapper is a nested function: what it takes as *names is named by the function it calls
    several = code.co_flags & (_TAKES_MANY | _IS_NESTED) == _TAKES_MANY
    for name in code.co_varnames[: count + several]:
        value = frame.f_locals.get(name)
        shown = "the tensor" if name in _NAMELESS else name
        if isinstance(value, Handle):
            yield shown, value
        elif isinstance(value, list | tuple):
            members = [v for v in value if isinstance(v, Handle)]
            if len(members) == 1:
                yield shown, members[0]
            else:
                yield from ((f"{name}[{i}]", v) for i, v in enumerate(members))


# -- where they were made ----------------------------------------------------------------------


def _told(handle: Handle, axis: int | None, calls: Calls) -> str:
    node, rank = handle._node, len(handle.shape)
    if axis is not None and not -rank <= axis < rank:
        axis = None
    base = handle if handle._lens is None else handle._lens.root
    if node is None or node.op is INPUT:
        return _made("made at", _variable(calls, lambda held: held is handle or held is base))
    if axis is None or not isinstance(node.type, Type):
        return "" if _is_here(node.source, calls) else _made("made at", node.source)
    maker, computed = passed_on(node, axis % rank)
    found = _leaf_line(maker, calls) if maker.op is INPUT else None
    if found is None and not _is_here(computed.source, calls):
        found = computed.source
    return _made(f"the {handle.shape[axis]} comes from", found)


def _made(verb: str, source: Source | None) -> str:
    if source is None:
        return ""
    text = source.text
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return f"{verb} {source}" + (f"  {short}" if short else "")


def _is_here(source: Source | None, calls: Calls) -> bool:
    """Whether the source is the line that failed, which the traceback shows anyway."""
    own = [each for each in calls if is_own(each.file)]
    return source is None or bool(own and (own[-1].file, own[-1].line) == source[:2])


def _path(handle: Handle, calls: Calls) -> str:
    """`layers.0.weight of Net, made at …` for a tensor of a module in the traceback."""
    for name, value, module, title in _held(calls):
        if value is handle:
            maker = _maker(module)
            if title == f" of {type(module).__name__}" and _is_here(maker, calls):
                return ""  # the line that made the module also called it
            return name + title + _made(", made at", maker)
    return ""


def _leaf_line(node: Node, calls: Calls) -> Source | None:
    """The line that made a leaf, or its module."""
    values = [value for each in calls for value in list(each.frame.f_locals.values())]
    traces = [value for value in values if isinstance(value, Trace)]
    read = [b.handle for t in traces for b in t.inputs.values() if b.node is node]

    def matches(held: Handle) -> bool:
        return held._node is node or any(held is each for each in read)

    for _, value, module, _ in _held(calls):
        if matches(value):
            return _maker(module)
    return _variable(calls, matches)


def _maker(module: Any) -> Source | None:
    found: Source | None = module.__dict__.get("_made_at")
    return found


def _held(calls: Calls) -> Iterator[tuple[str, Handle, Any, str]]:
    """Tensors of modules in the frames' variables: path, tensor, module, title of the outermost."""
    seen: set[int] = set()
    for each in calls:
        for variable, owner in list(each.frame.f_locals.items()):
            if "_modules" not in getattr(owner, "__dict__", ()) or id(owner) in seen:
                continue
            named = is_own(each.file) and not _is_method_of(owner, each.frame.f_code, variable)
            title = "" if named else f" of {type(owner).__name__}"
            for path, module in owner.named_modules():
                seen.add(id(module))
                for name, value in (*module._parameters.items(), *module._buffers.items()):
                    if isinstance(value, Handle):  # another library's modules hold others
                        parts = (variable if named else "", path, name)
                        yield ".".join(filter(None, parts)), value, module, title


def _is_method_of(owner: Any, code: CodeType, variable: str) -> bool:
    """Whether the code is a method of the owner's class, and the variable its first argument."""
    method = getattr(type(owner), code.co_name, None)
    return getattr(method, "__code__", None) is code and variable == code.co_varnames[0]


def _variable(calls: Calls, matches: Callable[[Handle], bool]) -> Source | None:
    """The assignment to a variable with such a tensor, in the outermost frame of the program."""
    for each in calls:
        if not is_own(each.file):
            continue
        for name, value in list(each.frame.f_locals.items()):
            several = value if isinstance(value, list | tuple) else [value]
            if any(isinstance(one, Handle) and matches(one) for one in several[:_FEW]):
                line = assigned_at(each.file, each.line, name)
                return None if line is None else Source(each.file, line)
    return None
