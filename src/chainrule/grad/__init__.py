"""Differentiation as graph → graph: reverse mode and forward mode. Evaluates nothing."""
