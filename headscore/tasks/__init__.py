"""Synthetic corpora with gold word pairs: texts that ask a model for one known function."""
