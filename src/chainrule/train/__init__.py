"""The training loop, its configuration, run folders, checkpoints and reports; no screen."""
