from headscore.corpus.sequence import Segment, Sequence

def text_sequence(id: str, text: str) -> Sequence:
    """Return a sequence of one text that was decoded from bytes: it has no lone surrogate."""

def with_segments(sequence: Sequence, segments: tuple[Segment, ...]) -> Sequence:
    """Return a sequence with other segments, as many as it has."""

def joined(first: Sequence, second: Sequence) -> Sequence:
    """Return the pair of two sequences of one text each, in the document of the first."""
