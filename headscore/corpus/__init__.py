"""Read a corpus, a file or an iterable, as a stream of sequences."""

from headscore.corpus.readers import read, readers
from headscore.corpus.sequence import Segment, Sequence

__all__ = ["Segment", "Sequence", "read", "readers"]
