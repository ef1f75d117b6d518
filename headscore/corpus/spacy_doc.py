"""spaCy documents: from a Doc to a segment."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from headscore.corpus.sequence import Segment

_ATTRIBUTES = {  # name of a label -> attribute of a token
    "upos": "pos_",
    "entity": "ent_type_",
    "tag": "tag_",
    "xpos": "tag_",
    "lemma": "lemma_",
    "deprel": "dep_",
}
_READ = ("upos", "entity")  # from any Doc
_ALL = "*"  # stands for every label


def is_doc(item: object) -> bool:
    """Return whether an object is a spaCy Doc; spaCy is not loaded for that."""
    tokens = sys.modules.get("spacy.tokens")
    return tokens is not None and isinstance(item, tokens.Doc)


def read_doc(doc: Any, *, parsed: bool = True, labels: Iterable[str] = ()) -> Segment:
    """Return the text of a spaCy Doc with its words and, if `parsed`, heads and relations.

    The root of each sentence has head -1. A Doc without a word has empty tuples. Parts of speech
    and entities are read as labels, and `labels` besides: tag, lemma, a feature, * for all.
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
        _labels(tokens, labels),
    )


def _labels(tokens: list[Any], wanted: Iterable[str]) -> dict[str, tuple[str, ...]] | None:
    """Return the labels of words by name, where the Doc has them."""
    asked = [each for name in wanted for each in (_every(tokens) if name == _ALL else [name])]
    columns = {
        name: tuple(_label(token, name) for token in tokens)
        for name in dict.fromkeys((*_READ, *asked))
    }
    return {name: labels for name, labels in columns.items() if any(labels)} or None


def _every(tokens: list[Any]) -> list[str]:
    """Return the names of all labels; of features those that some token has, in lower case."""
    return [*_ATTRIBUTES, *(key.lower() for token in tokens for key in token.morph.to_dict())]


def _label(token: Any, name: str) -> str:
    """Return a label of a token, "" for none; names in upper or lower case."""
    if name.lower() in _ATTRIBUTES:
        return str(getattr(token, _ATTRIBUTES[name.lower()]))
    features = token.morph.to_dict().items()
    return next((value for key, value in features if key.lower() == name.lower()), "")
