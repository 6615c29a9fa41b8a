"""Files that hold tensors. Every write is whole or not at all."""
