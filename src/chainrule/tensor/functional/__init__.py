"""Functions on tensors, one file per family, as `chainrule` and `nn.functional` show them."""
