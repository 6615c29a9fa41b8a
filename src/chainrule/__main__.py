"""`python -m chainrule`: the `chainrule` command. Imports the command line only."""

from chainrule.cli import main

if __name__ == "__main__":
    main()
