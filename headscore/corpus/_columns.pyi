from typing import Any

from headscore.arrays import Bools, Ints
from headscore.corpus.sequence import Segment

def count_words(segments: list[Segment]) -> tuple[Bools, Ints]:
    """Return whether the words of each segment are known, and their number."""

def fill_columns(segments: list[Segment], offsets: Ints) -> dict[str, Any]:
    """Return the fields of a `SequenceTable` that have an entry for each word or word pair."""
