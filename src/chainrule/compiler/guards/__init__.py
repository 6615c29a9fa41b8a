"""What a trace reads of the state of Python, and whether that is still as it was."""
