"""Corpora that are already in memory: an iterable of texts, pairs, words, rows or sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from headscore.corpus.invalid import refusal
from headscore.corpus.seen_ids import SeenIds
from headscore.corpus.sequence import Segment, Sequence
from headscore.corpus.spacy_doc import is_doc, read_doc
from headscore.corpus.table import find_columns, kind, read_row
from headscore.errors import InputError
from headscore.options import ReadOptions

ACCEPTED = (
    "a text, a (text, text) tuple, a list of words, a mapping with named columns, a Sequence or a "
    "spaCy Doc"
)


def read_items(
    items: Iterable[Any],
    options: ReadOptions = ReadOptions(),
    counts: Counter[str] | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[Sequence]:
    """Yield a sequence for each item; its id is the index, unless a `Sequence` has one.

    Parameters
    ----------
    items
        Each one a text, a tuple of two texts, a list of words, a mapping (such as a row of a
        Hugging Face data set), a `Sequence` or a spaCy Doc, with its parse and labels where it has
        them; kinds may be mixed.
    options
        ``columns``: the keys of the one or two texts of a mapping, None: those of GLUE;
        ``skip_invalid``: skip an item that is none of these, or whose id was used before;
        ``labels``: labels of a Doc to read.
    counts
        Its ``"invalid_skipped"`` counts the items skipped.
    log
        Called with one sentence for each item skipped.

    Raises
    ------
    UsageError
        `columns` names a column that is not there.
    InputError
        An item is invalid.
    """
    refuse = refusal(options.skip_invalid, counts, log)
    places = SeenIds()
    for index, item in enumerate(items):
        try:
            sequence = _sequence(item, index, options)
            # The index where the id occurred first; an id that repeats is an error of this item.
            if (first := places.get(sequence.id)) is not None:
                raise InputError(
                    f"items {first} and {index} must have different ids, got {sequence.id!r} twice"
                )
        except InputError as error:
            refuse(error)
        else:
            places.add(sequence.id, index)
            yield sequence


def _sequence(item: object, index: int, options: ReadOptions) -> Sequence:
    columns = options.columns
    if isinstance(item, Mapping):
        place = f"item {index}"
        chosen = find_columns([key for key in item if isinstance(key, str)], columns, place)
        return Sequence(str(index), read_row(item, chosen, place))
    if columns is not None:
        raise InputError(
            f"item {index} must be a mapping with {', '.join(columns)}, got {kind(item)}"
        )
    if isinstance(item, Sequence):
        return item if item.id else item.renamed(str(index))
    if isinstance(item, str):
        return Sequence.from_text(item, id=str(index))
    if is_doc(item):
        return Sequence(str(index), (_segment(item, options),))
    if isinstance(item, tuple) and len(item) == 2:
        return _texts(item, index, options)
    if isinstance(item, list) and all(isinstance(word, str) for word in item):
        return Sequence.from_words(item, id=str(index))
    raise InputError(f"item {index} must be {ACCEPTED}, got {kind(item)}")


def _texts(texts: tuple[Any, ...], index: int, options: ReadOptions) -> Sequence:
    for text in texts:
        if not (isinstance(text, str) or is_doc(text)):
            raise InputError(f"item {index} must hold texts (str), got {kind(text)}")
    return Sequence(str(index), tuple(_segment(text, options) for text in texts))


def _segment(text: Any, options: ReadOptions) -> Segment:
    """Return the segment of a text or a spaCy Doc."""
    if not is_doc(text):
        return Segment(text)
    return read_doc(text, parsed=text.has_annotation("DEP"), labels=options.labels)
