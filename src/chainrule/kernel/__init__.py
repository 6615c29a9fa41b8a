"""The tile language: its constructs, verifier, printer and slow interpreter. Imports base only."""
