"""The gradient through time: the effective memory of a recurrent network."""
