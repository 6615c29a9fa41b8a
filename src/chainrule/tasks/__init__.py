"""Recipes that join text, models and training."""
