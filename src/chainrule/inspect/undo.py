"""Python state as it was: what a function changes while it is looked at is put back.

    undo = Undo()
    undo.note(optimizer)        # before it changes
    undo.restore()              # same containers, same contents

Containers inside an object are refilled, not replaced, for others may hold them: a compiled step
reads its learning rate from the group's own dictionary. Imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Undo:
    """The attributes of some objects, as they were when each was first noted."""

    def __init__(self) -> None:
        """Nothing noted."""
        self._back: dict[int, Callable[[], None]] = {}
        self._held: list[Any] = []  # so that no id is used twice

    def note(self, owner: Any) -> None:
        """Remember all attributes of `owner`, with the dictionaries and lists in them."""
        self._remember(vars(owner))

    def restore(self) -> None:
        """Put back everything that was noted; the latest note comes last."""
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
