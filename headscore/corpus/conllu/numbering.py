"""Number the sentences and documents of a CoNLL-U file."""

from __future__ import annotations

from dataclasses import dataclass, field

from headscore.corpus.seen_ids import SeenIds


@dataclass
class Numbering:
    """What is known of the sentences read so far.

    Attributes
    ----------
    ordinal
        Number of sentences, invalid ones included: ids do not change with skip_invalid.
    n_documents, document
        Number of documents begun, and the document of the last sentence.
    lines
        Id of each valid sentence -> the line that gave it.
    """

    ordinal: int = 0
    n_documents: int = 0
    document: str | None = None
    lines: SeenIds = field(default_factory=SeenIds)
