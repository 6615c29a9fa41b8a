"""What several stages ask: how kernels reach values, loops taken apart, kernels being written."""
