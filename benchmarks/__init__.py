"""Speed, side by side with the peers in one run. Start with `python -m benchmarks.steps --help`."""
