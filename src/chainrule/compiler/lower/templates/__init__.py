"""Kernel shapes: rows, columns, products, attention, scatter; one kind of kernel per file."""
