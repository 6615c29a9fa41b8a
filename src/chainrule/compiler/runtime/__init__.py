"""From machine code to a finished step: loading kernels, memory, threads, the plan interpreter.

May import base. Nothing here knows graphs, ops or the tile language: it sees IR text, addresses,
sizes and instructions.
"""
