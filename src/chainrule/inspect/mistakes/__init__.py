"""Classic mistakes of hand-derived gradients: one wrong rule at a node, compared with a claim."""
