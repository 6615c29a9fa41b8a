"""Every sample of an entry, counted: passed, skipped for a reason, failed with a reason.

`count_function("softmax", 20)` and `count_module("Linear", 8)` give a `Tally`.
"""

from __future__ import annotations

import functools
import re
import tomllib
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import chainrule as cr
from tests.breadth import compare, generators
from tests.breadth.refused import refused
from tests.breadth.translate import NoCounterpartError, into, tensor

SKIPS = Path(__file__).with_name("skips.toml")


@dataclass
class Tally:
    """Counts of one entry."""

    passed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def one(self, name: str, what: str, call: Callable[[], None]) -> None:
        """Run `call` and count how it went; `what` describes it in a failure."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call()
        except NoCounterpartError as reason:
            self.skipped[str(reason)] += 1
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is a result here
            short = f"{what}: {_short(error)}"
            reason = justified(name, short)
            (self.failed if reason is None else self.skipped)[reason or short] += 1
        else:
            self.passed += 1


def _short(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    if not isinstance(error, compare.DifferenceError):
        text = f"{type(error).__name__}: {text}"
    return re.sub(r"0x[0-9a-f]+|\(/\S+\)", "", text)[:100]


@cache
def _rules() -> list[tuple[re.Pattern[str], re.Pattern[str], str]]:
    table = tomllib.loads(SKIPS.read_text(encoding="utf-8"))["skip"]
    return [(re.compile(r["entry"]), re.compile(r.get("when", "")), r["reason"]) for r in table]


def justified(name: str, failure: str) -> str | None:
    """Why this failure of this entry is meant, None if it is not."""
    for entry, when, reason in _rules():
        if entry.fullmatch(name) and when.search(failure):
            return reason
    return None


@cache
def random_entries() -> re.Pattern[str]:
    """Entries whose values are random: shapes and dtypes are compared."""
    return re.compile(tomllib.loads(SKIPS.read_text(encoding="utf-8"))["random"])


def count_function(name: str, limit: int) -> Tally:
    """All forms of a function: itself, its method, its in-place method, its other names."""
    import torch

    entry, tally = generators.functions()[name], Tally()
    function, reference = generators.ours(entry), entry.op
    if entry.name in _AFTER_LOG_SOFTMAX:
        function, reference = _normalised(function, cr), _normalised(reference, torch)
    fixed = random_entries().fullmatch(name) is None
    for dtype in generators.dtypes(entry):
        gradients = dtype.startswith("float") and entry.supports_autograd
        for number, sample in enumerate(generators.samples(entry, dtype, limit)):
            call = ((sample.input, *sample.args), sample.kwargs)
            values = fixed and not sample.kwargs.get("dropout_p")
            left, right = reference, function
            if entry.name in _UP_TO_SIGN:
                left, right = (_then(sample.output_process_fn_grad, f) for f in (left, right))
            tally.one(
                name,
                f"{dtype} {_describe(sample)}",
                functools.partial(
                    compare.run,
                    left,
                    right,
                    call,
                    gradients=gradients,
                    values=values,
                    ties=entry.name in _WITH_TIES,
                ),
            )
            if number < 4:
                values = values and entry.name not in _UP_TO_SIGN
                _forms(tally, name, entry, call, dtype, values=values)
    for wrong in generators.errors(entry, limit):
        sample = wrong.sample_input
        tally.one(
            name,
            f"wrong call {_describe(sample)}",
            lambda sample=sample, wrong=wrong: refused(
                functools.partial(_called, function, sample), wrong.error_type
            ),
        )
    return tally


_AFTER_LOG_SOFTMAX = {"nn.functional.ctc_loss"}  # PyTorch's gradient presumes it
_UP_TO_SIGN = {"linalg.eigh", "linalg.svd", "svd"}  # vectors: PyTorch's samples remove it
_WITH_TIES = {"argsort", "kthvalue", "mode", "sort", "topk"}


def _then(process: Any, function: Any) -> Any:
    """`process` of what `function` gives."""
    return lambda *args, **kwargs: process(function(*args, **kwargs))


def _normalised(function: Any, library: Any) -> Any:
    """`function` of log-probabilities that `log_softmax` makes of the first argument."""
    return lambda x, *args, **kwargs: function(library.log_softmax(x, -1), *args, **kwargs)


def _forms(
    tally: Tally, name: str, entry: Any, call: tuple[Any, Any], dtype: str, *, values: bool
) -> None:
    pairs: list[tuple[str, Any, Any]] = []
    method = entry.method_variant
    if method is not None and not entry.name.startswith("__"):
        pairs.append(("method", method, getattr(cr.Tensor, entry.name, None)))
    if entry.inplace_variant is not None and not entry.name.startswith("__"):
        mine = getattr(cr.Tensor, f"{entry.name}_", None)
        pairs.append(("in place", entry.inplace_variant, mine))
    pairs += [(f"as {a.name}", a.op, generators.find(a.name)) for a in entry.aliases]
    if entry.supports_out and not entry.name.startswith("nn."):
        import torch

        mine = _delivered(generators.ours(entry), cr)
        pairs.append(("out=", _delivered(entry.op, torch), mine))
    for form, left, right in pairs:
        if left is None or right is None or isinstance(right, property):
            continue
        tally.one(
            name,
            f"{form} {dtype}",
            lambda form=form, left=left, right=right: _form(
                form, left, right, call, values=values, ties=entry.name in _WITH_TIES
            ),
        )


def _delivered(function: Any, library: Any) -> Any:
    """`function` with `out=`: what the given empty tensors are afterwards."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with library.no_grad():
            result = function(*args, **kwargs)
            several = isinstance(result, tuple)
            parts = result if several else (result,)
            if kwargs.get("as_tuple") or not all(library.is_tensor(t) for t in parts):
                return result
            outs = [library.empty(0, dtype=t.dtype) for t in parts]
            function(*args, **kwargs, out=tuple(outs) if several else outs[0])
        return outs

    return call


def _form(
    form: str, left: Any, right: Any, call: tuple[Any, Any], *, values: bool, ties: bool
) -> None:
    """One form of a function; an in-place call that PyTorch refuses must be refused here too."""
    if form == "in place":
        left, right = _on_copy(left), _on_copy(right)
        try:
            left(*call[0], **call[1])
        except RuntimeError:
            refused(lambda: right(*into(call[0]), **into(call[1])), Exception)
            return
    compare.run(left, right, call, gradients=False, values=values, ties=ties)


def _on_copy(method: Callable[..., Any]) -> Callable[..., Any]:
    """An in-place method on a copy of its tensor."""
    return lambda first, *args, **kwargs: method(first.clone(), *args, **kwargs)


def _called(function: Any, sample: Any) -> None:
    function(*into((sample.input, *sample.args)), **into(sample.kwargs))


def _describe(sample: Any) -> str:
    text = re.sub(r'size=|, device="cpu"|dtype=torch\.|Tensor', "", sample.summary())
    text = text.removeprefix("SampleInput(").split(", broadcasts_input")[0]
    return re.sub(r"0x[0-9a-f]+", "0x", text)[:160]


def count_module(name: str, limit: int) -> Tally:
    """A module in training and in evaluation: outputs, gradients of inputs and parameters."""
    entry, tally = generators.modules()[name], Tally()
    for dtype in ("float32", "float64"):
        for training in (False, True):
            for sample in generators.module_samples(entry, dtype, training, limit):
                made = sample.constructor_input
                mode = "training" if training else "evaluation"
                what = f"{dtype} {mode} {sample.desc} {made.args} {made.kwargs}"
                tally.one(
                    name,
                    re.sub(r"tensor\(.*?\)", "tensor", what)[:200],
                    lambda sample=sample, training=training, dtype=dtype: _module(
                        entry, sample, dtype, training=training
                    ),
                )
    for wrong in generators.module_errors(entry, limit):
        made = wrong.module_error_input.constructor_input
        tally.one(
            name,
            f"wrong call {made.args} {made.kwargs}",
            lambda wrong=wrong: refused(lambda: _wrong_module(name, wrong), wrong.error_type),
        )
    return tally


def _wrong_module(name: str, wrong: Any) -> None:
    made = wrong.module_error_input.constructor_input
    given = wrong.module_error_input.forward_input
    kwargs = {k: v for k, v in made.kwargs.items() if k not in {"device", "dtype"}}
    module = getattr(cr.nn, name)(*into(made.args), **into(kwargs))
    if wrong.error_on.name == "FORWARD_ERROR":
        module(*into(given.args), **into(given.kwargs))


def _module(entry: Any, sample: Any, dtype: str, *, training: bool) -> None:
    import torch

    made, given = sample.constructor_input, sample.forward_input
    theirs = entry.module_cls(*made.args, **made.kwargs).to(getattr(torch, dtype))
    arguments = {k: v for k, v in made.kwargs.items() if k not in {"device", "dtype"}}
    mine = getattr(cr.nn, entry.module_cls.__name__)(*into(made.args), **into(arguments))
    mine.to(getattr(cr, dtype))
    state = theirs.state_dict()
    if list(mine.state_dict()) != list(state):
        raise compare.DifferenceError(f"state keys {list(mine.state_dict())}, not {list(state)}")
    mine.load_state_dict({key: tensor(value) for key, value in state.items()})
    theirs.train(training)
    mine.train(training)
    _without_dropout(theirs)
    _without_dropout(mine)
    args, kwargs = given.args, given.kwargs
    mine_args, mine_kwargs = into((args, kwargs))
    expected_ins, mine_ins = (compare.leaves(v) for v in ((args, kwargs), (mine_args, mine_kwargs)))
    first, second = theirs, mine
    if entry.module_cls is torch.nn.CTCLoss:
        first, second = _normalised(theirs, torch), _normalised(mine, cr)
    expected, found = first(*args, **kwargs), second(*mine_args, **mine_kwargs)
    states = {key: value.numpy().copy() for key, value in theirs.state_dict().items()}
    pairs = compare.outputs(found, expected)
    pairs += compare.gradient_pairs(
        found, [*mine_ins, *mine.parameters()], expected, [*expected_ins, *theirs.parameters()]
    )
    compare.judge(
        pairs,
        lambda: compare.exactly(
            first, args, kwargs, theirs.double().parameters(),
            gradients=True,
        ),
    )  # fmt: skip
    for key, value in states.items():
        compare.equal(compare.Pair(f"state {key}", mine.state_dict()[key].detach().numpy(), value))


def _without_dropout(model: Any) -> None:
    """Random numbers differ: in training nothing is dropped, on both sides."""
    for part in model.modules():
        if "Dropout" in type(part).__name__:
            part.p = 0.0
        if isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0
