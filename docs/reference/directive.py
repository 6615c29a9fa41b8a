"""The Sphinx directive of the reference: an entry for each public name of a namespace.

    ```{api} chainrule.nn
    ```

Signatures and docstrings come from autodoc, examples from `examples.py`. Docstrings are plain text
with `code`; here they become reStructuredText.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from listing import TENSOR, formula, original, sections, spaces, target, value
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import signature, stringify_signature

from examples import example, run

_CODE = re.compile(r"``?([^`]+)``?")
_MARKUP = re.compile(r"([\\*_|])")
_SOURCE = re.compile(r"https?://[^\s;,]+[^\s;,.]")
_VALUE_LINES = 12


class Api(SphinxDirective):
    """`{api} NAMESPACE`, with `:only:` or `:without:` the start of the defining modules' names."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "only": directives.unchanged,
        "without": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """The entries, below a heading for each section."""
        space = self.arguments[0]
        found: list[nodes.Node] = []
        for section in sections(space):
            if not self._wanted(section.home):
                continue
            entries = self._parsed(line for name in section.names for line in _entry(space, name))
            if not section.title:
                found += entries
                continue
            made = nodes.section(ids=[nodes.make_id(f"{space}-{section.title}")])
            made += nodes.title(section.title, section.title)
            made += self._parsed([_restructured(section.about.rstrip(".") + "."), ""])
            made += entries
            found.append(made)
        return found

    def _wanted(self, home: str) -> bool:
        only, without = self.options.get("only", ""), self.options.get("without")
        return home.startswith(only) and not (without and home.startswith(without))

    def _parsed(self, lines: Any) -> list[nodes.Node]:
        """reStructuredText on a page of Markdown."""
        holder = nodes.container()
        fenced = StringList(["````{eval-rst}", *lines, "````"], source=self.arguments[0])
        self.state.nested_parse(fenced, self.content_offset, holder)
        return holder.children


def _entry(space: str, name: str) -> Iterator[str]:
    """What autodoc is asked for; aliases and values are written out."""
    found, path = value(space, name), f"{space}.{name}"
    first, of_class = original(space, name), isinstance(target(space), type)
    if first != path:
        kind = "class" if isinstance(found, type) else "method" if of_class else "function"
        module, _, shown = space.rpartition(".") if of_class else ("", "", "")
        shown = f"{shown}.{name}" if of_class else path
        yield f".. py:{kind}:: {shown}{_signature(found, bound=of_class)}"
        yield from ([f"   :module: {module}"] if of_class else [])
        yield ""
        yield from (f"   The same as :py:obj:`{first}`.", "")
        yield from (f"   {line}" for line in _shown(space, name))
    elif isinstance(found, type):
        kind = "exception" if issubclass(found, BaseException) else "class"
        yield f".. auto{kind}:: {path}"
        if path != TENSOR and _own_methods(found):
            yield f"   :members: {', '.join(_own_methods(found))}"
    elif isinstance(found, property):
        yield f".. autoproperty:: {path}"
    elif callable(found) or isinstance(found, classmethod | staticmethod):
        yield f".. {'automethod' if of_class else 'autofunction'}:: {path}"
    else:
        yield f".. py:{'attribute' if of_class else 'data'}:: {path}"
        yield from (f"   :value: {found!r}", "", f"   {type(found).__name__}.", "")
    yield ""


def _signature(found: Any, *, bound: bool) -> str:
    return stringify_signature(
        signature(found, bound_method=bound),
        show_return_annotation=not isinstance(found, type),
        unqualified_typehints=True,
    )


def _own_methods(cls: type) -> list[str]:
    """The public methods and properties that no base class has."""
    inherited = {name for base in cls.__mro__[1:] for name in vars(base)}
    own = [n for n, v in vars(cls).items() if inspect.isroutine(v) or isinstance(v, property)]
    return [n for n in own if n[0] != "_" and n not in inherited]


def write(_app: Any, _what: str, path: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """autodoc's hook: the docstring as reStructuredText, then the example."""
    space, _, name = path.rpartition(".")
    listed = space in spaces()  # a member of another class has no example
    told = formula(space, name) if listed else None
    text = _restructured("\n".join([*lines, "", told or ""]))
    shown = _shown(space, name) if listed else []
    lines[:] = [*text.split("\n"), "", *shown, ""]


def _shown(space: str, name: str) -> list[str]:
    program = example(space, name)
    return _session(program) if program else []


def _restructured(text: str) -> str:
    """Plain text with `code` and addresses; indented lines stay as they are."""
    done = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        if all(line.startswith("    ") for line in paragraph.split("\n")):
            done.append("::\n\n" + paragraph)
            continue
        done.append(_inline(paragraph))
    return "\n\n".join(done)


def _inline(text: str) -> str:
    """Text outside of `code` has no markup."""
    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces += [_plain(text[end : code.start()]), f"\\ ``{' '.join(code[1].split())}``\\ "]
        end = code.end()
    return "".join([*pieces, _plain(text[end:])])


def _plain(text: str) -> str:
    """Escaped, with addresses as links."""
    pieces, end = [], 0
    for link in _SOURCE.finditer(text):
        site = link[0].split("/")[2].removeprefix("docs.").removeprefix("www.")
        pieces += [_MARKUP.sub(r"\\\1", text[end : link.start()]), f"`{site} <{link[0]}>`__"]
        end = link.end()
    return "".join([*pieces, _MARKUP.sub(r"\\\1", text[end:])])


@functools.cache
def _session(program: str) -> list[str]:
    """The example as it looks at Python's prompt."""
    shown = [".. code-block:: pycon", ""]
    for statement, printed in run(program):
        first, *more = statement.split("\n")
        shown += [f"   >>> {first}", *[f"   ... {line}".rstrip() for line in more]]
        if more and statement.startswith(("class", "def", "with", "for", "try", "@")):
            shown.append("   ...")
        out = printed.rstrip("\n").split("\n") if printed else []
        if len(out) > _VALUE_LINES:
            out = [*out[:_VALUE_LINES], "…"]
        shown += [f"   {line}".rstrip() for line in out]
    return shown


def setup(app: Any) -> dict[str, bool]:
    """Register the directive and the hook."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("api", Api)
    app.connect("autodoc-process-docstring", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
