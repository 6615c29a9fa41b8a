"""The memory that a training takes at least, compared with the machine's before it is taken.

    >>> require_memory(1000, 500, "1,000 parameters", "choose a smaller width")

May import `base` and the standard library.
"""

from __future__ import annotations

import os

from chainrule.base.errors import ConfigError

_NUMBERS = 4  # a parameter, its gradient and AdamW's two averages
_BYTES = 4  # float32


def require_memory(parameters: int, activations: int, description: str, remedy: str) -> None:
    """Raise `ConfigError` for a model that does not fit, before anything is built.

    `activations` are the numbers of a batch that are kept for the gradient.
    """
    if "SC_PHYS_PAGES" not in os.sysconf_names:  # missing on Windows
        return
    needed = _BYTES * (_NUMBERS * parameters + activations)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise ConfigError(
            f"this model takes at least {needed / 1e9:.3g} GB, of the {there / 1e9:.3g} GB that "
            f"the machine has: {description}"
            f"\n  {remedy}"
        )
