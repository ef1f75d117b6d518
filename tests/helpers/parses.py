"""Unpacks stored parses with struct, one column at a time."""

import struct
import zlib
from dataclasses import replace

from headscore.corpus.sequence import Segment

SIZES = {1: "b", 2: "h", 4: "i"}  # bytes -> format of struct


def unpack_slowly(key, parse, segment, names):
    """The segment with its parse; ValueError, LookupError, ... for damaged data."""
    body, size = parse[:-4], parse[0]
    words = (len(body) - 1) // (3 * size + 2)
    numbers = struct.unpack_from(f"<{3 * words}{SIZES[size]}", body, 1)
    ids = struct.unpack_from(f"<{words}H", body, 1 + 3 * words * size)
    relations = tuple(names[id_] for id_ in ids)
    starts, ends, heads = numbers[:words], numbers[words : 2 * words], numbers[2 * words :]
    content = b"\0".join((key, body, "\0".join(relations).encode()))
    if parse[-4:] != zlib.crc32(content).to_bytes(4, "little"):
        raise ValueError("checksum")
    if segment.words is not None:
        return replace(segment, heads=heads, relations=relations)
    text, spans = segment.text, tuple(zip(starts, ends, strict=True))
    if not all(0 <= start <= end <= len(text) for start, end in spans):
        raise ValueError("spans")
    return Segment(text, tuple(text[start:end] for start, end in spans), spans, heads, relations)
