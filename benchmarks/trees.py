"""A spaCy pipeline that knows the trees of a corpus, so that texts alone get them back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from headscore.corpus.sequence import Segment

_TREES: dict[str, Segment] = {}  # text -> words and tree


class _Tokenizer:
    """Returns the known words and tree of a text; none of it is stored with the pipeline."""

    def __init__(self, vocab: Any) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        known = _TREES[text]
        words, spans = known.words or (), known.spans or ()
        starts = [*(start for start, _ in spans[1:]), len(text)]
        spaces = [start > end for (_, end), start in zip(spans, starts, strict=True)]
        # spaCy has the root as its own head.
        heads = [n if head < 0 else head for n, head in enumerate(known.heads or ())]
        return Doc(self.vocab, list(words), spaces, heads=heads, deps=list(known.relations or ()))

    def to_disk(self, *_: object, **__: object) -> None:
        """Write nothing."""

    def from_disk(self, *_: object, **__: object) -> _Tokenizer:
        """Read nothing."""
        return self


@spacy.registry.tokenizers("headscore.trees.v1")
def _make_tokenizer() -> Any:
    return lambda nlp: _Tokenizer(nlp.vocab)


@Language.component("headscore_trees")
def _parse(doc: Doc) -> Doc:
    return doc  # parsed already, by the tokenizer


def make_pipeline(segments: Iterable[Segment], folder: Path) -> Path:
    """Write a pipeline to a folder, for this process: it finds the trees of these texts."""
    _TREES.update((each.text, each) for each in segments)
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "headscore.trees.v1"}}})
    nlp.add_pipe("headscore_trees", name="parser")
    nlp.to_disk(folder)
    return folder
