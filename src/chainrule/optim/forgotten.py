"""What gets gradients but is not trained as it was meant: said at an optimizer's step, once.

- layers in a plain list, tuple or dict, and tensors that are no `Parameter`: not registered
- parameters of a model that were made after its optimizer
- a whole model, where the optimizer holds the parameters of another one
- a model that is trained in evaluation mode: at the first step, or from a later one on

Only what has a gradient and is held by no optimizer that is alive is said to be forgotten, so that
frozen layers, several optimizers and averaged copies are silent. May import `tensor`. Example:
`for text in forgotten(optimizer): warn(text)`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from chainrule.tensor.alive import MODULES, OPTIMIZERS
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor

_CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_REGISTRIES = frozenset({"_parameters", "_buffers", "_modules"})
# by optimizer, its models that were not yet seen in evaluation mode
_in_training: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()
_wasted: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # see `wasted`
_MOST = 10_000  # entries of a container that are looked at
_DEPTH = 3  # containers in containers


class Hidden(NamedTuple):
    """A tensor that can be trained, in an attribute of a module that does not register it."""

    name: str
    tensor: Tensor
    attribute: str
    home: str  # what would register it


def forgotten(optimizer: Any) -> Iterator[str]:
    """A sentence for each thing that is forgotten, with its names and the way out."""
    held, complete = _held(), optimizer.__dict__.get("_complete", ())
    for top in models_of(optimizer):
        lost = not_trained(top)
        if lost:
            yield not_registered(top, lost)
        late = [
            name
            for name, p in top.named_parameters()
            if id(top) in complete and has_gradient(p) and id(p) not in held
        ]
        if late:
            yield (
                f"{_title(top)} got parameters after its optimizer was made, so that it does not "
                f"train them:\n  {_some(late)}\n  make the optimizer when the model is "
                "complete, or call optimizer.add_param_group({'params': …})"
            )
        _in_training.setdefault(optimizer, WeakSet()).add(top)
    yield from in_evaluation(optimizer)


def in_evaluation(optimizer: Any) -> Iterator[str]:
    """A sentence for each model of an optimizer that is in evaluation mode; said once of each."""
    models: Any = _in_training.get(optimizer, ())
    for top in [m for m in models if not m.__dict__["_training"]]:
        if kinds := sensitive(top):
            models.discard(top)
            yield (
                f"{_title(top)} is trained in evaluation mode, in which {kinds} works "
                "differently\n  call model.train() before training, and again after an evaluation "
                "with model.eval()"
            )


def wasted(optimizer: Any) -> int:
    """How often zero_grad() has forgotten gradients before any step, counting this time.

    The count is kept here, since an attribute would be state that a compiled step reads.
    """
    _wasted[optimizer] = _wasted.get(optimizer, 0) + 1
    return _wasted[optimizer]


def elsewhere(optimizer: Any) -> str:
    """Which model has the gradients: best one of the same shapes, such as a model made anew."""
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
    """Whether all that can be trained in a model has gradients, and no optimizer."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return bool(trainable) and all(has_gradient(p) and id(p) not in held for p in trainable)


def not_trained(model: Any) -> list[Hidden]:
    """What is hidden in a model, gets a gradient, and has no optimizer."""
    held = _held()
    return [h for h in hidden(model) if has_gradient(h.tensor) and id(h.tensor) not in held]


def not_registered(model: Any, lost: list[Hidden]) -> str:
    """The names, and what would register them."""
    return (
        f"{_title(model)} holds tensors that are not registered, and no optimizer trains them:\n"
        f"  {_some([h.name for h in lost])}\n"
        f"  write self.{lost[0].attribute} = {lost[0].home}, and make the optimizer after that"
    )


def hidden(model: Any) -> list[Hidden]:
    """What is in plain attributes of a model and its parts, and registered nowhere in it."""
    known = {id(m) for m in model.modules()} | {id(p) for p in model.parameters()}
    found: dict[int, Hidden] = {}
    for path, module in model.named_modules():
        for attribute, value in vars(module).items():
            if attribute in _REGISTRIES or isinstance(value, (str, int, float)):
                continue
            for place, item in _items(value, 0):
                name = f"{path}.{attribute}{place}".lstrip(".")
                for h in () if id(item) in known else _in_item(name, item, attribute, value, known):
                    found.setdefault(id(h.tensor), h)
    return list(found.values())


def _in_item(name: str, item: Any, attribute: str, value: Any, known: set[int]) -> Iterator[Hidden]:
    """What an attribute's value holds under a name: a tensor, or the parameters of a module."""
    home = "Dict(…)" if isinstance(value, dict) else "List(…)"
    if isinstance(item, Tensor):
        if item.is_leaf and item.requires_grad:
            home = f"nn.Parameter{'(…)' if item is value else home}"
            yield Hidden(name, item, attribute, home)
    else:
        for inner, p in item.named_parameters():
            if p.requires_grad and id(p) not in known:
                yield Hidden(f"{name}.{inner}", p, attribute, f"nn.Module{home}")


def _items(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """What a plain container holds, with its place, or the value itself."""
    if isinstance(value, _CONTAINERS) and depth < _DEPTH and len(value) <= _MOST:
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in pairs:
            for place, inner in _items(item, depth + 1):
                yield f"[{key!r}]{place}", inner
    elif isinstance(value, Tensor) or (depth and _is_module(value)):
        yield "", value


def _is_module(value: Any) -> bool:
    return hasattr(type(value), "named_parameters")


def has_gradient(p: Tensor) -> bool:
    """Whether backward() reached it; in a trace, whether it did in the trace."""
    trace = modes.trace
    if trace is None:
        return p._grad is not None
    return id(p) in trace.grads and trace.grads[id(p)][1] is not None


def models_of(optimizer: Any) -> list[Any]:
    """The outermost modules that hold parameters of an optimizer."""
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    holders = [m for m in list(MODULES) if any(id(p) in own for p in m._parameters.values())]
    return _tops(holders)


def _tops(modules: Iterable[Any]) -> list[Any]:
    """The outermost modules around some, each once."""
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


def complete_models(optimizer: Any) -> frozenset[int]:
    """The ids of the models all of whose trainable parameters have an optimizer now."""
    held = _held()
    return frozenset(
        id(top)
        for top in models_of(optimizer)
        if all(id(p) in held for p in top.parameters() if p.requires_grad)
    )


def _held() -> set[int]:
    """The ids of what any optimizer holds."""
    return {id(p) for opt in list(OPTIMIZERS) for g in opt.param_groups for p in g["params"]}


def sensitive(model: Any, *, training: bool = False) -> str:
    """The kinds of layers that work differently in evaluation and are in this mode, in words."""
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


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
