"""Restoring Python state that a function changes while it is inspected.

    undo = Undo()
    undo.note(optimizer)        # before a change
    undo.restore()              # same containers, same contents

Containers inside an object are refilled, not replaced, as others may refer to them: a compiled step
reads its learning rate from the group's own dictionary. Imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Undo:
    """The attributes of some objects at the time each was noted."""

    def __init__(self) -> None:
        self._back: dict[int, Callable[[], None]] = {}
        self._held: list[Any] = []  # kept alive, so that no id is used twice

    def note(self, owner: Any) -> None:
        """Note all attributes of `owner`, with the dictionaries and lists in them."""
        self._remember(vars(owner))

    def restore(self) -> None:
        """Restore everything that was noted; the latest note comes last."""
        for back in self._back.values():
            back()

    def _remember(self, value: Any) -> None:
        if not isinstance(value, (dict, list)) or id(value) in self._back:
            return
        self._held.append(value)
        self._back[id(value)] = _refill(value)
        for inner in value.values() if isinstance(value, dict) else value:
            self._remember(inner)


def _refill(container: Any) -> Callable[[], None]:
    if isinstance(container, dict):
        items = list(container.items())

        def back() -> None:
            container.clear()
            container.update(items)

        return back
    contents = list(container)

    def back_to_list() -> None:
        container[:] = contents

    return back_to_list
