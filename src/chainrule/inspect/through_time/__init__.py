"""The gradient through time: how far back a recurrent network learns from."""
