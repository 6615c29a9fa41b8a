"""`explain`: the derivation of a loss or a whole training step, in four steps.

    print(explain(loss))                       # the recorded graph, before backward()
    explain(step, words, tags).show()          # runs on symbols, changes nothing; in colours
    explain(step, words, tags, depth=None)     # every node; a page in a notebook

May import `inspect.derivation` and what is built on it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.inspect.derivation import Derivation
from chainrule.inspect.documents import document, write_as
from chainrule.inspect.from_function import of_function
from chainrule.inspect.from_loss import of_loss
from chainrule.inspect.html import page
from chainrule.inspect.naming import around_caller, by_id
from chainrule.inspect.outline import AUTO, Outline
from chainrule.inspect.recording import inner
from chainrule.tensor.handle import Handle

_STYLES = {
    "title": "bold", "head": "bold", "name": "cyan", "formula": "", "type": "bright_black",
    "value": "green", "gradient": "red", "ok": "bright_black", "bad": "bold red",
    "where": "bright_black",
}  # fmt: skip


class Explanation:
    """A derivation and its level of detail: as text, in colours, as a page, as JSON."""

    def __init__(self, derivation: Derivation, depth: int | None) -> None:
        """Show `depth` levels of layers; None shows every node, -1 what fits a screen."""
        self.derivation = derivation
        self.depth = depth

    def __str__(self) -> str:
        return "\n".join(row.text for row in Outline(self.derivation, self.depth).rows())

    __repr__ = __str__

    def __rich__(self) -> Any:
        from rich.text import Text

        out = Text(no_wrap=False)
        for row in Outline(self.derivation, self.depth).rows():
            out.append(" " * row.indent)
            for text, kind in row.pieces:
                out.append(text, _STYLES.get(kind, ""))
            out.append("\n")
        out.right_crop(1)
        return out

    def show(self) -> None:
        """Print in colours on a terminal, else (and with NO_COLOR) as plain text."""
        from rich.console import Console

        console = Console(highlight=False)
        coloured = console.is_terminal and not console.no_color
        console.print(self if coloured else str(self), markup=False, soft_wrap=True)

    def _repr_html_(self) -> str:
        """The page for notebooks: formulas, numbers in tables, modules that open and close."""
        return page(self.derivation)

    def to_html(self) -> str:
        """The page as an HTML document."""
        return document("explain", page(self.derivation))

    def to_json(self, most: int | None = 100) -> str:
        """Every node, value and contribution; arrays of over `most` entries are summarised.

        "left_out" counts them; `most=None` gives every number.
        """
        return json.dumps(self.derivation.as_record(most))

    def save(self, path: Any) -> None:
        """Write a file in the format of its ending: .txt, .html or .json."""
        forms = {"txt": self.__str__, "html": self.to_html, "json": self.to_json}
        write_as(path, forms)


def explain(
    target: Any, *args: Any, wrt: Any = None, depth: int | None = AUTO, names: Sequence[str] = ()
) -> Explanation:
    """The derivation of `target`: a scalar loss, or a function with its arguments.

    A loss is explained from its recorded graph, before `backward()` or with `retain_graph=True`. A
    function – a loss function, or a training step with `backward()` and `opt.step()` in it – runs
    once on symbols: no parameter, gradient, random or optimiser state changes. `wrt` selects the
    tensors whose gradients are derived (default: all that require grad). `depth` is the number of
    levels of layers shown apart (0: a model is one); None shows every node; the default fits a
    screen. `names` are those of the arguments (default: the parameters of `fn`).

    Every local derivative is compared with central differences of its node alone (✓ and the
    relative distance), unless the node is large.
    """
    return Explanation(derive(target, args, wrt, names), depth)


def derive(target: Any, args: Sequence[Any], wrt: Any, names: Sequence[str] = ()) -> Derivation:
    """The derivation of a loss, or of a function with its arguments."""
    if wrt is not None:
        wrt = [wrt] if isinstance(wrt, Handle) else list(wrt)
        for w in wrt:
            if not isinstance(w, Handle):
                raise ArgumentError(f"wrt= takes tensors, such as model.weight, not {w!r:.60}")
    if isinstance(target, Handle):
        if args:
            raise ArgumentError("a loss takes no more arguments; functions do")
        return of_loss(target, wrt, by_id(around_caller()))
    if callable(target):
        return of_function(inner(target), args, wrt, names)
    raise ArgumentError(
        f"explain() takes a loss tensor or a function with its arguments, not {target!r:.60}"
    )
