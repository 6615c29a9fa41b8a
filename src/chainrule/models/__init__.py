"""Models built from `nn`: the GPT-style Transformer."""
