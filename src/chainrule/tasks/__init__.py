"""Tasks that combine text, models and training."""
