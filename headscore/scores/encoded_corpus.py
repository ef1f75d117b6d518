"""Encode a corpus once, for the models that have one tokenizer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from headscore import files
from headscore.arrays import Ints, run_starts
from headscore.corpus.naming import CORPUS_NAME, name_of, named
from headscore.encoding import layout
from headscore.encoding.encode import check_usable, encode_piece, tables, warn_of_spelled
from headscore.encoding.encoded import Encoded
from headscore.encoding.join import join
from headscore.encoding.sources import KEPT
from headscore.errors import InputError, UsageError
from headscore.model.load import NO_LIMIT, load_tokenizer
from headscore.options import EncodeOptions, ScoreOptions, ValidateOptions
from headscore.parsing.pipelines import find_parser
from headscore.parsing.source import Source
from headscore.roles.role import Role
from headscore.roles.specs import asks_for
from headscore.scores.provenance import tokenizer_hash
from headscore.signatures import takes
from headscore.stopwatch import Stopwatch

# Options that say how a corpus becomes tokens, which an encoded one is already.
_DONE = (
    "pairs",
    "columns",
    "skip_invalid",
    "limit",
    "sample",
    "parser",
    "parse_processes",
    "max_length",
    "too_long",
    "special_in_text",
)


@takes(EncodeOptions)
def encode(corpus: Any, tokenizer: Any, options: EncodeOptions) -> Encoded:
    """Read, parse and tokenize a corpus once, to score many models with the same tokenizer on it.

    `score` and `analyze` take the result, or the file that its `save` wrote, as corpus. They give
    the scores that the corpus itself gives.

    Parameters
    ----------
    corpus
        As in `score`.
    tokenizer
        Hub id or folder of a tokenizer or a model, or a tokenizer.

    Returns
    -------
    Encoded

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        The tokenizer or the corpus cannot be used as it is.

    Examples
    --------
    >>> import headscore as hs
    >>> encoded = hs.encode("corpus.conllu", "google-bert/bert-base-uncased", max_length=512)
    >>> encoded.save("corpus.hse")
    >>> scores = [hs.score(model, encoded) for model in ("checkpoint-1", "checkpoint-2")]
    """
    parser = None if options.parser is None else find_parser(options.parser)
    loaded = load_tokenizer(tokenizer)
    limit = options.max_length or min(NO_LIMIT, int(loaded.model_max_length))
    counts: Counter[str] = Counter()
    unparsed: Counter[bool] = Counter()
    opened = Source(corpus, options).opened(
        parser, counts, Stopwatch(), waiting=lambda n: unparsed.update({True: n})
    )
    with opened as sequences:
        pieces = [
            encode_piece(
                table,
                loaded,
                max_length=limit,
                too_long=options.too_long,
                special_in_text=options.special_in_text,
                places=options.word_places,
            )
            for table in tables(sequences)
        ]
    whole = join(pieces)  # a corpus without a sequence is an error where it is read
    check_usable(len(whole), counts | Counter(whole.counts))
    warn_of_spelled(len(whole), whole.counts, options.special_in_text)
    used = "none" if parser is None else parser.description
    sources = replace(whole.known_sources(), read=dict(counts))
    return replace(
        whole,
        sources=sources,
        counts={**counts, **whole.counts},
        facts={
            "headscore": version("headscore"),
            "tokenizer": tokenizer_hash(loaded),
            "max_length": str(limit),
            "too_long": options.too_long,
            "parser": used if parser is None or unparsed[True] else "none (all came parsed)",
            "pairs": options.pairs or "none",
            "columns": ",".join(options.columns or ()) or "none",
        }
        | name_of(corpus)
        | options.subset_facts()
        | _kept(options.special_in_text),
    )


def as_encoded(corpus: Any) -> Encoded | None:
    """Return a corpus that is encoded, also from its file; None for any other corpus.

    Raises
    ------
    InputError
        The file is missing, damaged or of another kind, or the Encoded was not made by `encode`.
    """
    if isinstance(corpus, str | os.PathLike) and Path(corpus).suffix == layout.SUFFIX:
        return files.read_as(corpus, layout.LAYOUTS, Encoded.from_stored)
    if not isinstance(corpus, Encoded):
        return None
    corpus.known_sources()
    return corpus


def check_options(options: ScoreOptions | ValidateOptions) -> None:
    """Raise UsageError for options that come too late for an encoded corpus."""
    late = [name for name in _DONE if getattr(options, name) != getattr(ScoreOptions, name)]
    if late:
        raise UsageError(
            f"{' and '.join(late)} must be left out where the corpus is encoded already, "
            f"got {late[0]}={getattr(options, late[0])!r}"
        )


def check_model(encoded: Encoded, tokenizer: str, max_length: int) -> None:
    """Check that a model can read an encoded corpus.

    Parameters
    ----------
    encoded
        What `encode` returned.
    tokenizer, max_length
        Hash of the model's tokenizer, and the longest sequence that the model takes.

    Raises
    ------
    InputError
        The tokenizer is another one, or the model takes shorter sequences only.
    """
    facts = encoded.facts
    if facts.get("tokenizer") != tokenizer:
        raise InputError(
            f"the corpus must be encoded with the tokenizer of the model, {tokenizer}, "
            f"got {facts.get('tokenizer', 'an unknown one')}"
        )
    longest = int(encoded.lengths.max(initial=0))
    if longest > max_length:
        raise InputError(
            f"the corpus must be encoded with a max_length of at most {max_length}, which the "
            f"model takes, got {facts['max_length']} and a sequence of {longest} tokens"
        )


def signed(facts: dict[str, str], encoded: Encoded) -> dict[str, str]:
    """Return the facts of a run on an encoded corpus: its limit, parser, part, name, tokens."""
    names = ("max_length", "parser", "limit", "sample")
    own = {name: encoded.facts[name] for name in names if name in encoded.facts}
    found = facts | own | _kept(encoded.facts.get("special_in_text", "split"))
    # The file of an encoded corpus has the name of the corpus that it was made of.
    return named(
        found, {name: encoded.facts[name] for name in (CORPUS_NAME,) if name in encoded.facts}
    )


def _kept(special_in_text: str) -> dict[str, str]:
    """Return the fact of an option that a signature lacks where it is at its default."""
    return {} if special_in_text == "split" else {"special_in_text": special_in_text}


def chunks(
    encoded: Encoded, size: int, roles: tuple[Role, ...], positions: Ints | None = None
) -> Iterator[Encoded]:
    """Yield the chunks of an encoded corpus, each as if it was encoded for these roles.

    A chunk has `size` sequences of the corpus, with those that could not be used: the same chunks,
    and so the same scores, as of the corpus itself. `positions` are those of the sequences to take
    from the corpus, in order; None: all.
    """
    n_sources = len(encoded.known_sources())
    asked = partial(asks_for, roles)
    if positions is None:
        for start in range(0, n_sources, size):
            yield encoded.chunk(start, start + size).counting(asked)
        return
    for start in range(0, len(positions), size):
        yield _taken(encoded, positions[start : start + size]).counting(asked)


def usable(encoded: Encoded) -> Ints:
    """Return the position in the corpus of each sequence that could be encoded."""
    return np.flatnonzero(encoded.known_sources().state & KEPT)


def _taken(encoded: Encoded, positions: Ints) -> Encoded:
    """Return what encoding the sequences at some positions of the corpus would give."""
    # Stretches of consecutive positions, such as the sequences of a document, are cut out whole:
    # position less index is constant along a stretch.
    starts = run_starts(positions - np.arange(len(positions)))
    bounds = [(int(positions[a]), int(positions[b - 1]) + 1) for a, b in pairwise(starts.tolist())]
    return join([encoded.chunk(start, stop) for start, stop in bounds])
