"""Sequence -> Sequence with words, heads and relations."""
