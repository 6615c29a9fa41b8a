"""A call of a compiled function: the variant that fits, bound to arrays, run, with its gradient."""
