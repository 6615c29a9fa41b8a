"""A call of a function → a graph: symbols for its arguments, its results, what it leaves behind."""
