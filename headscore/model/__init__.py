"""A transformers model, and its attention as it passes by."""
