"""Graph → graph: less work, in forms that have kernels; `pipeline.py` gives the order."""
