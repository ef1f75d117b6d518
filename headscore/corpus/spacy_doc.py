"""spaCy documents: from a Doc to a segment."""

from __future__ import annotations

import sys
from typing import Any

from headscore.corpus.sequence import Segment


def is_doc(item: object) -> bool:
    """Return whether an object is a spaCy Doc; spaCy is not loaded for that."""
    tokens = sys.modules.get("spacy.tokens")
    return tokens is not None and isinstance(item, tokens.Doc)


def read_doc(doc: Any, *, parsed: bool = True) -> Segment:
    """Return the text of a spaCy Doc with its words and, if `parsed`, heads and relations.

    The root of each sentence has head -1. A Doc without a word has empty tuples.
    """
    tokens = list(doc)
    return Segment(
        doc.text,
        tuple(token.text for token in tokens),
        tuple((token.idx, token.idx + len(token)) for token in tokens),
        # spaCy makes the root its own head; here the root has -1.
        tuple(-1 if token.head.i == token.i else token.head.i for token in tokens)
        if parsed
        else None,
        tuple("root" if token.head.i == token.i else token.dep_ for token in tokens)
        if parsed
        else None,
        _labels(tokens),
    )


def _labels(tokens: list[Any]) -> dict[str, tuple[str, ...]] | None:
    """Return parts of speech and entity types, where the Doc has them."""
    columns = {
        "upos": tuple(token.pos_ for token in tokens),
        "entity": tuple(token.ent_type_ for token in tokens),
    }
    return {name: labels for name, labels in columns.items() if any(labels)} or None
