"""Functions on tensors, one file per family; `chainrule`, `Tensor` and `nn.functional` show them."""
