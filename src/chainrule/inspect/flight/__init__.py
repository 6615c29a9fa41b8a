"""The flight recorder: measurements during training, and verdicts on them."""
