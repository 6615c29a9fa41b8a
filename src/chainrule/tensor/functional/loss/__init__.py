"""Losses, one file a family; each has PyTorch's whole signature. Re-exports nothing."""
