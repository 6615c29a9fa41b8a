"""Tiles to LLVM: `emit.emit` writes a kernel as textual LLVM IR with explicit vectors.

Imports kernel and base; llvmlite only inside functions.

Example: `from chainrule.compiler.codegen.emit import emit`.
"""
