"""Text for training: sources, characters, windows, and a counting baseline. Imports `base`."""
