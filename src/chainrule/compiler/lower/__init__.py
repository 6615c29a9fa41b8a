"""Groups → kernels with their memory, in an order in which they can run."""
