"""Samples by number or as a stream, and loading them in batches. May import `base` and `tensor`."""
