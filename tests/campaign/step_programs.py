"""Random training steps as Python source, which every framework with PyTorch's names can run.

    program = write(random.Random(1), torch)
    print(program.text())

A program makes arguments – some of them views, transposes or detached forms of others – and a
step: elementwise ops, views, writes in place through views, products, reductions, loops, layers, a
loss, its gradient and an optimizer's update. A line is kept if the framework that writes runs it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

_SIZES = (0, 1, 1, 2, 3, 3, 4, 5)
_LARGEST = 1e4  # values beyond are not compared
_UNARY = (
    "torch.tanh({a})", "torch.sigmoid({a})", "torch.sin({a})", "-{a}", "{a} * {a}", "{a}.relu()",
    "torch.exp(-{a} * {a})", "{a}.detach()", "{a}.clone()", "{a} * 0.5 + 1", "{a}.abs().sqrt()",
    "torch.nn.functional.gelu({a})", "torch.where({a} > 0, {a}, {a} * 0.1)", "{a}.clamp(-1, 1)",
)  # fmt: skip
_BINARY = (
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / ({b} * {b} + 1)", "torch.maximum({a}, {b})",
    "{a} @ {b}", "torch.cat([{a}, {b}])", "torch.cat([{a}, {b}], -1)", "torch.stack([{a}, {b}])",
    "torch.where({a} > {b}, {a}, {b} * 0.3)", "torch.lerp({a}, {b}, 0.25)",
)  # fmt: skip
_VIEWS = (
    "{a}.t()", "{a}.transpose(0, -1)", "{a}.view(-1)", "{a}.reshape(-1)", "{a}[0]", "{a}[1:]",
    "{a}[:, 1:]", "{a}[..., -1]", "{a}[::2]", "{a}.unsqueeze(0)", "{a}.unsqueeze(-1)",
    "{a}.squeeze()", "{a}.flatten()", "{a}.expand(2, *{a}.shape)", "{a}.narrow(0, 0, 1)",
    "{a}.select(-1, 0)", "{a}.unbind(0)[0]", "{a}.chunk(2)[0]", "{a}.diagonal()", "{a}[None]",
    "{a}.permute(*range({a}.ndim - 1, -1, -1))", "{a}.detach()[:2]", "{a}.view_as({a})",
)  # fmt: skip
_COPIES = (
    "{a}.flip(0)", "{a}.roll(1, 0)", "{a}.repeat(2, *[1] * ({a}.ndim - 1))", "{a}[[0]]",
    "{a}.contiguous()", "torch.nn.functional.pad({a}, (1, 0))", "{a}.tril()", "{a}.cumsum(0)",
    "{a}.index_select(0, torch.tensor([0, 0]))", "torch.softmax({a}, -1)", "{a}.to({a}.dtype)",
    "torch.nn.functional.layer_norm({a}, {a}.shape[-1:])", "torch.log_softmax({a}, 0)",
)  # fmt: skip
_REDUCTIONS = (
    "{a}.sum()", "{a}.sum(0)", "{a}.mean(-1)", "{a}.sum(-1, keepdim=True)", "{a}.amax(0)",
    "{a}.var(0, correction=0)", "{a}.logsumexp(-1)", "{a}.pow(2).mean()", "{a}.norm()",
)  # fmt: skip
_WRITES = (
    "{a}.mul_(0.5)", "{a}.add_({b})", "{a}[0] = {b}", "{a}[1:] += 1", "{a}[:1].mul_(3)",
    "{a}.t().add_(1)",
    "{a}.view(-1)[:1].fill_(1.5)", "{a}[{a} > 0] = 0.25", "{a}.masked_fill_({a} < 0, 0.5)",
    "{a}.transpose(0, -1)[0].sub_({b})", "{a}.tanh_()", "{a}.diagonal().fill_(1)",
    "{a}.index_add_(0, torch.tensor([0]), {a}[:1] * 0 + 1)",
    "{a}.detach().add_(0.1)", "{a} += {b}", "{a} *= 0.5",
)  # fmt: skip
_OVERWRITES = (  # a history that is overwritten whole is forgotten here, on purpose
    "{a}.zero_()", "{a}.fill_(2.0)", "{a}.copy_({b})", "{a}[...] = {b}",
)  # fmt: skip
_LAYERS = (
    "model[0]({a}.reshape(-1)[:3])", "model[1]({a}.reshape(-1)[:6].reshape(2, 1, 3))[0]",
    "model[2](torch.tensor([0, 2, 0])) + {a}.sum()",
)  # fmt: skip
_OPTIMIZERS = (
    "torch.optim.SGD(held, lr=0.1)", "torch.optim.SGD(held, lr=0.05, momentum=0.9, nesterov=True)",
    "torch.optim.Adam(held, lr=0.01, weight_decay=0.1)", "torch.optim.AdamW(held, lr=0.01)",
    "torch.optim.RMSprop(held, lr=0.01, momentum=0.5)", "torch.optim.Adagrad(held, lr=0.1)",
)  # fmt: skip
_FRAME = """\
import torch
torch.set_default_dtype(torch.float64)
def numbers(*shape):
    return torch.tensor(np.random.RandomState(len(shape) + sum(shape)).uniform(-1, 1, shape))
model = torch.nn.ModuleList(
    [torch.nn.Linear(3, 3), torch.nn.GRU(3, 2), torch.nn.Embedding(3, 2)])
torch.nn.utils.vector_to_parameters(numbers(60), model.parameters())
held = list(model.parameters())
{setup}
def step({arguments}):
{body}
"""


@dataclass(frozen=True)
class StepProgram:
    """Lines that make the arguments, and lines of the step; names are defined once."""

    setup: tuple[str, ...]
    arguments: tuple[str, ...]
    body: tuple[str, ...]
    results: tuple[str, ...]

    def text(self) -> str:
        """The program as it is run."""
        body = [*self.body, f"return [{', '.join(self.results)}]"]
        return _FRAME.format(
            setup="\n".join(self.setup),
            arguments=", ".join(self.arguments),
            body="\n".join(f"    {line}" for line in body),
        )

    def smaller(self) -> list[StepProgram]:
        """The program with one line or one result less, the longest cuts first."""
        body, results, count = self.body, self.results, len(self.body)
        sizes = sorted({count // 2, count // 4, 2, 1} - {0}, reverse=True)
        return [
            *(replace(self, body=body[:at] + body[at + size :])
              for size in sizes for at in range(0, count, size)),
            *(replace(self, results=results[:i] + results[i + 1 :])
              for i in range(len(results))),
            *(replace(self, arguments=without(self.arguments, name)) for name in self.arguments),
            *(replace(self, setup=without(self.setup, line)) for line in self.setup),
        ]  # fmt: skip

    def names(self, torch: ModuleType) -> dict[str, Any]:
        """What running the program's first part defines: `step`, its arguments, `held`."""
        scope: dict[str, Any] = {"np": np, "torch": torch}
        exec(self.text().replace("import torch\n", ""), scope)  # noqa: S102 - our own text
        return scope


def without(several: tuple[str, ...], one: str) -> tuple[str, ...]:
    """All but one."""
    return tuple(each for each in several if each != one)


def write(rng: random.Random, torch: ModuleType) -> StepProgram:
    """A program that `torch` runs without an error."""
    before = torch.get_default_dtype()
    try:
        return _Writer(rng, torch).program()
    finally:
        torch.set_default_dtype(before)


def _comparable(value: Any) -> bool:
    if not hasattr(value, "detach"):
        return True
    array = np.asarray(value.detach())
    return array.size <= 500 and bool(np.abs(array).max(initial=0) <= _LARGEST)  # False for NaN


class _Writer:
    """Writes a line, runs it, and takes it back if it fails."""

    def __init__(self, rng: random.Random, torch: ModuleType) -> None:
        self.rng, self.scope = rng, {"torch": torch, "np": np}
        exec(_FRAME.partition("{setup}")[0].replace("import torch\n", ""), self.scope)  # noqa: S102
        self.setup: list[str] = []
        self.body: list[str] = []
        self.known: list[str] = []  # names of float tensors

    def run(self, line: str) -> bool:
        """Whether the line runs, and gives what can be compared."""
        try:
            exec(line, self.scope)  # noqa: S102 - our own text
        except Exception:  # noqa: BLE001 - what is wrong with a line does not matter
            return False
        touched = {*self.known, line.partition(" = ")[0]} & self.scope.keys()
        return all(_comparable(self.scope[name]) for name in touched)

    def argument(self) -> None:
        """A tensor of its own, or another form of one that is there."""
        name, rng = f"x{len(self.known)}", self.rng
        shape = ", ".join(str(rng.choice(_SIZES)) for _ in range(rng.randint(0, 3)))
        line = f"{name} = numbers({shape})" + rng.choice(("", "", ".requires_grad_()"))
        if self.known and rng.random() < 0.5:
            form = rng.choice((*_VIEWS, "{a}.detach()", "{a}", "{a}"))
            line = f"{name} = " + form.format(a=rng.choice(self.known))
        if self.run(line):
            self.setup.append(line)
            self.known.append(name)

    def line(self) -> None:
        """One more line of the step."""
        rng = self.rng
        kinds = (_UNARY, _BINARY, _VIEWS, _VIEWS, _COPIES, _REDUCTIONS, _LAYERS)
        kinds += (_WRITES, _WRITES, _OVERWRITES)
        form = rng.choice(rng.choice(kinds))
        a = rng.choice(self.known[-4:] if rng.random() < 0.5 else self.known)
        text = form.format(a=a, b=rng.choice(self.known))
        if form in _WRITES or form in _OVERWRITES:
            if rng.random() < 0.3 or (form in _OVERWRITES and self.scope[a].requires_grad):
                text = f"with torch.no_grad(): {text}"
            name = None
        else:
            name = f"v{len(self.body)}"
            text = f"{name} = {text}"
        before = self.state()
        if self.run(text):
            self.body.append(text)
            if name is not None:
                self.known.append(name)
        else:
            self.restore(before)

    def state(self) -> list[str]:
        return list(self.known)

    def restore(self, known: list[str]) -> None:
        """Run everything again: a line that failed may have written."""
        self.known = known
        self.scope = {"torch": self.scope["torch"], "np": np}
        exec(_FRAME.partition("{setup}")[0].replace("import torch\n", ""), self.scope)  # noqa: S102
        for line in (*self.setup, *self.body):
            exec(line, self.scope)  # noqa: S102 - our own text

    def program(self) -> StepProgram:
        """All of it."""
        rng = self.rng
        while not self.known or rng.random() < 0.7:
            self.argument()
        arguments = tuple(name for name in self.known if rng.random() < 0.8)
        line = f"optimizer = {rng.choice(_OPTIMIZERS)}"
        assert self.run(line), line
        self.setup.append(line)
        for _ in range(rng.randint(2, 14)):
            self.line()
        self.train()
        made = [name for name in self.known if name.startswith("v")] or self.known
        results = tuple(dict.fromkeys(rng.choice(made) for _ in range(rng.randint(1, 3))))
        return StepProgram(tuple(self.setup), arguments, tuple(self.body), results)

    def train(self) -> None:
        """A loss of what requires grad, its gradient, an update; sometimes a line after it."""
        rng = self.rng
        wanted = [n for n in self.known if self.scope[n].requires_grad]
        if not wanted or rng.random() < 0.15:
            return
        terms = {rng.choice(wanted[-4:]) for _ in range(2)}
        loss = " + ".join(f"({name} * {name}).sum()" for name in sorted(terms))
        before = self.state()
        lines = [f"loss = {loss}", "optimizer.zero_grad()", "loss.backward()", "optimizer.step()"]
        if rng.random() < 0.4:
            lines.insert(3, "torch.nn.utils.clip_grad_norm_(held, 0.5)")
        for line in lines:
            if not self.run(line):
                self.restore(before)
                return
            self.body.append(line)
        self.known.append("loss")
