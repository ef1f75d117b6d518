"""Sequence -> Encoded: token ids, and which tokens each word became."""
