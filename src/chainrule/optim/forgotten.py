"""Training mistakes that an optimizer sees at a step, each reported once.

- unregistered tensors: layers in a plain list, tuple or dict, and tensors that are no `Parameter`
- parameters of a model that were made after its optimizer
- an optimizer with the parameters of another model
- a model that is trained in evaluation mode, from the first step or from a later one on

A tensor is reported if it has a gradient and no living optimizer holds it: frozen layers, several
optimizers and averaged copies cause no warning. May import `tensor`. Example:
`for text in forgotten(optimizer): warn(text)`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet, ref

from chainrule.base.arguments import first_few
from chainrule.tensor.alive import MODULES, OPTIMIZERS, is_module
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor

_CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_REGISTRIES = frozenset({"_parameters", "_buffers", "_modules"})
_MOST = 100_000  # searched entries of containers, for each model
_DEPTH = 3  # containers in containers


@dataclass
class _Notes:
    """Notes on an optimizer, kept outside of it, where no compiled step reads them."""

    complete: WeakSet[Any] = field(default_factory=WeakSet)  # see `note_complete`
    in_training: list[ref[Any]] = field(default_factory=list)  # never seen in evaluation mode
    wasted: int = 0  # see `wasted`


_notes: WeakKeyDictionary[Any, _Notes] = WeakKeyDictionary()


def _notes_of(optimizer: Any) -> _Notes:
    try:
        return _notes[optimizer]
    except KeyError:
        return _notes.setdefault(optimizer, _Notes())


class Hidden(NamedTuple):
    """A trainable tensor in an attribute of a module that does not register it."""

    name: str
    tensor: Tensor
    attribute: str
    home: str  # the class that would register it


def forgotten(optimizer: Any) -> Iterator[str]:
    """A sentence per mistake, with names and the way out."""
    held, notes = _held(), _notes_of(optimizer)
    for top in models_of(optimizer):
        lost = not_trained(top)
        if lost:
            yield not_registered(top, lost)
        late = [
            name
            for name, p in top.named_parameters()
            if top in notes.complete and has_gradient(p) and id(p) not in held
        ]
        if late:
            yield (
                f"{_title(top)} got parameters after its optimizer was made, which does not "
                f"train them:\n  {first_few(late)}\n  make the optimizer when the model is "
                "complete, or call optimizer.add_param_group({'params': …})"
            )
        notes.in_training.append(ref(top))
    yield from in_evaluation(optimizer)


def in_evaluation(optimizer: Any) -> Iterator[str]:
    """A sentence per model of the optimizer in evaluation mode, once for each model."""
    models = _notes_of(optimizer).in_training
    for top in [m for r in models if (m := r()) is not None and not m.__dict__["_training"]]:
        if kinds := sensitive(top):
            models.remove(ref(top))
            yield (
                f"{_title(top)} is trained in evaluation mode, in which {kinds} works "
                "differently\n  call model.train() before training, and again after an evaluation "
                "with model.eval()"
            )


def wasted(optimizer: Any) -> int:
    """The number of zero_grad() calls that discarded gradients before any step, with this one."""
    notes = _notes_of(optimizer)
    notes.wasted += 1
    return notes.wasted


def elsewhere(optimizer: Any) -> str:
    """The model with the gradients, best of all one of the same shapes: a model made anew."""
    own, held = models_of(optimizer), _held()
    shapes = [p.shape for group in optimizer.param_groups for p in group["params"]]
    found = [m for m in _tops(MODULES) if m not in own and _has_all(m, held)]
    if not found:
        return ""
    best = max(found, key=lambda m: [p.shape for p in m.parameters()] == shapes)
    other = f"\n  it holds those of {_title(own[0])}" if own else ""
    return (
        f"\n  the gradients are in {_title(best)}, which no optimizer holds{other}\n"
        "  make the optimizer from the parameters of the model that is trained"
    )


def _has_all(model: Any, held: set[int]) -> bool:
    """Whether all trainable parameters of a model have gradients, and no optimizer."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return bool(trainable) and all(has_gradient(p) and id(p) not in held for p in trainable)


def not_trained(model: Any) -> list[Hidden]:
    """Hidden tensors of a model that have a gradient and no optimizer."""
    held = _held()
    return [h for h in hidden(model) if has_gradient(h.tensor) and id(h.tensor) not in held]


def not_registered(model: Any, lost: list[Hidden]) -> str:
    """The sentence about unregistered tensors: their names, and the class that registers them."""
    return (
        f"{_title(model)} holds tensors that are not registered, and no optimizer trains them:\n"
        f"  {first_few([h.name for h in lost])}\n"
        f"  write self.{lost[0].attribute} = {lost[0].home}, and make the optimizer after that"
    )


def hidden(model: Any) -> list[Hidden]:
    """Trainable tensors in plain attributes of a model and its parts, registered nowhere in it."""
    left = _MOST

    def items(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
        """The tensors and modules in a plain container with their keys, or the value itself."""
        nonlocal left
        if isinstance(value, _CONTAINERS) and depth < _DEPTH and len(value) <= left:
            left -= len(value)
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in pairs:
                for keys, inner in items(item, depth + 1):
                    yield f"[{key!r}]{keys}", inner
        elif isinstance(value, Tensor) or (depth and is_module(value)):
            yield "", value

    known = {id(m) for m in model.modules()} | {id(p) for p in model.parameters()}
    found: dict[int, Hidden] = {}
    for path, module in model.named_modules():
        for attribute, value in vars(module).items():
            if attribute in _REGISTRIES or isinstance(value, (str, int, float)):
                continue
            for keys, item in items(value, 0):
                name = f"{path}.{attribute}{keys}".lstrip(".")
                for h in () if id(item) in known else _in_item(name, item, attribute, value, known):
                    found.setdefault(id(h.tensor), h)
    return list(found.values())


def _in_item(name: str, item: Any, attribute: str, value: Any, known: set[int]) -> Iterator[Hidden]:
    """The trainable tensors of an item in an attribute: itself, or a module's parameters."""
    home = "Dict(…)" if isinstance(value, dict) else "List(…)"
    if isinstance(item, Tensor):
        if item.is_leaf and item.requires_grad:
            home = f"nn.Parameter{'(…)' if item is value else home}"
            yield Hidden(name, item, attribute, home)
    else:
        for inner, p in item.named_parameters():
            if p.requires_grad and id(p) not in known:
                yield Hidden(f"{name}.{inner}", p, attribute, f"nn.Module{home}")


def has_gradient(p: Tensor) -> bool:
    """Whether backward() reached the tensor; in a trace, whether the traced one did."""
    trace = modes.trace
    if trace is None:
        return p._grad is not None
    return id(p) in trace.grads and trace.grads[id(p)][1] is not None


def models_of(optimizer: Any) -> list[Any]:
    """The outermost modules with parameters of an optimizer."""
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    holders = [m for m in list(MODULES) if any(id(p) in own for p in m._parameters.values())]
    return _tops(holders)


def _tops(modules: Iterable[Any]) -> list[Any]:
    """The outermost modules around the given ones, each once."""
    parents: dict[int, list[Any]] = {}
    for module in list(MODULES):
        for child in module._modules.values():
            parents.setdefault(id(child), []).append(module)
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        above = parents.get(id(module), [])
        waiting += above
        if not above:
            found[id(module)] = module
    return list(found.values())


def note_complete(optimizer: Any) -> None:
    """Note the models all of whose trainable parameters have an optimizer now."""
    held = _held()
    _notes_of(optimizer).complete.update(
        top
        for top in models_of(optimizer)
        if all(id(p) in held for p in top.parameters() if p.requires_grad)
    )


def _held() -> set[int]:
    """The ids of all optimizers' parameters."""
    return {id(p) for opt in list(OPTIMIZERS) for g in opt.param_groups for p in g["params"]}


def sensitive(model: Any, *, training: bool = False) -> str:
    """The kinds of layers in this mode that work differently in the other, in words."""
    found = [m for m in model.modules() if m.__dict__["_training"] is training]
    return " and ".join(sorted({type(m).__name__ for m in found if _is_sensitive(m)}))


def _is_sensitive(module: Any) -> bool:
    kind = type(module).__name__
    if "Dropout" in kind:
        return bool(getattr(module, "p", 1.0))
    if "BatchNorm" in kind:
        return bool(getattr(module, "track_running_stats", True))
    dropout = getattr(module, "dropout", 0.0)  # a recurrent layer's, or attention's
    return isinstance(dropout, float) and dropout > 0


def _title(model: Any) -> str:
    made = model.__dict__.get("_made_at")
    return f"{type(model).__name__} (made at {made})" if made else type(model).__name__
