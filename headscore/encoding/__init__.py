"""Encode sequences: token ids, and the token positions of each word."""
