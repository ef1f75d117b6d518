from collections.abc import Sequence as Many

from headscore.corpus.sequence import Segment

def unpack(key: bytes, parse: bytes, segment: Segment, names: list[str]) -> Segment:
    """Return a segment with its stored parse; raises ValueError or TypeError for damaged data."""

def checksum(key: bytes, body: bytes, relations: Many[str]) -> bytes:
    """Return the checksum of a parse without it, which covers its key and relation names."""
