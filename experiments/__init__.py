"""Experiments: a question each, with a recipe and results."""
