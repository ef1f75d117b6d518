"""Encode sequences: token ids, and the token positions of each word."""

from headscore.encoding.encode import encode

__all__ = ["encode"]
