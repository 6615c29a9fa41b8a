"""`python -m chainrule.as_torch SCRIPT.py ARGS…`: the same as `chainrule run SCRIPT.py ARGS…`."""

from __future__ import annotations

import sys

from chainrule.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
