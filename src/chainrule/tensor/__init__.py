"""Tensors: recording, eager evaluation, backward, tracing, and the functions on them."""
