"""Groups of words that belong together, to judge word vectors by: `WordSpace.auc`.

The list is this project's own, of words that occur in texts about programs and their use; it says
nothing about degrees of likeness, as lists of human ratings do.
Example: `"monday" in next(group for group in WORD_GROUPS if "friday" in group)`.
"""

from __future__ import annotations

WORD_GROUPS: tuple[tuple[str, ...], ...] = tuple(
    tuple(group.split())
    for group in (
        "monday tuesday wednesday thursday friday saturday sunday",
        "january february march april june july august september october november december",
        "one two three four five six seven eight nine ten",
        "previous next current following",
        "year month week day hour minute second",
        "list tuple dict set sequence mapping container",
        "integer float complex number decimal fraction",
        "string bytes text characters unicode encoding",
        "read write open close seek flush",
        "file directory folder path filename",
        "thread process lock queue semaphore",
        "socket server client connection address port host",
        "error exception traceback warning",
        "module package import name namespace",
        "class instance method attribute subclass",
        "function argument parameter keyword call",
        "add remove insert delete append pop",
        "minimum maximum mean median average",
        "left right top bottom center",
        "red green blue white black",
        "width height size length",
        "begin start end stop finish",
        "unix linux windows macos posix",
        "http ftp smtp url html",
        "true false none",
        "and or not",
        "sin cos tan log exp sqrt",
        "key value item pair entry",
        "message mail header body sender",
        "test tests case suite assertion",
    )
)
