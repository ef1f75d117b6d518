"""Sequence -> Sequence with words, heads and relations, by a spaCy pipeline."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from headscore.corpus.docs import read_doc
from headscore.corpus.sequence import Segment, Sequence
from headscore.errors import InputError

# Components that no parser needs; what is not known here is left on.
_NOT_NEEDED = (
    "attribute_ruler",
    "entity_linker",
    "entity_ruler",
    "lemmatizer",
    "morphologizer",
    "ner",
    "spancat",
    "span_ruler",
    "tagger",
    "textcat",
    "textcat_multilabel",
    "trainable_lemmatizer",
)
_BATCH = 64


def load_parser(parser: Any) -> Any:
    """Load a spaCy pipeline by name or path, or take a loaded one.

    Raises
    ------
    InputError
        There is no such pipeline, or it has no dependency parser.
    """
    import spacy

    pipeline = parser
    if isinstance(parser, str | os.PathLike):
        try:
            pipeline = spacy.load(parser)
        except (OSError, ValueError, ImportError) as error:
            reason = " ".join(str(error).split()).split(". ")[0]
            raise InputError(f"cannot load the spaCy pipeline {str(parser)!r}: {reason}") from error
    if not hasattr(pipeline, "pipe_names"):
        raise InputError(
            "parser must be the name or path of a spaCy pipeline, or a loaded one, "
            f"got {type(pipeline).__name__}"
        )
    if "parser" not in pipeline.pipe_names:
        raise InputError(
            "the pipeline must have a component named parser, "
            f"got {', '.join(pipeline.pipe_names) or 'none'}"
        )
    return pipeline


def describe_parser(pipeline: Any) -> str:
    """Return the name and version of a pipeline."""
    meta = pipeline.meta
    return f"{meta.get('lang')}_{meta.get('name')}@{meta.get('version')}"


def parse(sequences: Iterable[Sequence], pipeline: Any) -> Iterator[Sequence]:
    """Parse the segments that are not parsed yet, in a stream.

    Parameters
    ----------
    sequences
        The corpus. Segments with words keep them; texts are split by the pipeline.
    pipeline
        A loaded spaCy pipeline with a parser.

    Yields
    ------
    Sequence
        In the order given.

    Raises
    ------
    InputError
        A text longer than the pipeline takes.
    """
    stream = iter(sequences)
    while chunk := list(itertools.islice(stream, _BATCH)):
        waiting = [s for each in chunk for s in each.segments if not s.parsed]
        docs = pipeline.pipe(
            [_doc(segment, pipeline) for segment in waiting],
            batch_size=_BATCH,
            disable=[name for name in _NOT_NEEDED if name in pipeline.pipe_names],
        )
        parsed = iter([_with_parse(s, doc) for s, doc in zip(waiting, docs, strict=True)])
        for each in chunk:
            segments = tuple(s if s.parsed else next(parsed) for s in each.segments)
            yield replace(each, segments=segments)


def _doc(segment: Segment, pipeline: Any) -> Any:
    """Return the document that the pipeline is to parse."""
    if segment.words is None or segment.spans is None:
        if len(segment.text) > pipeline.max_length:
            raise InputError(
                f"a text must have at most {pipeline.max_length} characters to be parsed, "
                f"got {len(segment.text)}"
            )
        return pipeline.make_doc(segment.text)
    from spacy.tokens import Doc

    ends = [end for _, end in segment.spans]
    starts = [start for start, _ in segment.spans[1:]]
    spaces = [start > end for end, start in zip(ends, [*starts, *ends[-1:]], strict=True)]
    return Doc(pipeline.vocab, words=list(segment.words), spaces=spaces)


def _with_parse(segment: Segment, doc: Any) -> Segment:
    parsed = read_doc(doc)
    spans = parsed.spans if segment.spans is None else segment.spans
    return replace(parsed, text=segment.text, spans=spans)
