"""Write a synthetic corpus: texts that ask a model for one function, with gold word pairs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from numbers import Integral
from typing import Any

import numpy as np

from headscore.corpus import read
from headscore.demo import demo_corpus
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError, UsageError
from headscore.model.load import NO_LIMIT, load_tokenizer
from headscore.options import KINDS, SyntheticOptions
from headscore.scores.provenance import tokenizer_hash
from headscore.signatures import takes
from headscore.tasks import brackets, indirect_object, needle, ordered, repeated
from headscore.tasks.gold import encode_tasks
from headscore.tasks.task import Task

# Kind -> default of `size`; None: its sequences have one form.
SIZES: dict[str, tuple[int, int] | None] = {
    "repeated": repeated.TOKENS,
    "repeated_text": repeated.WORDS,
    "indirect_object": None,
    "needle": needle.SENTENCES,
    "ordered": ordered.ITEMS,
    "brackets": brackets.BRACKETS,
}
_OF_TEXTS = ("repeated_text", "needle")


@takes(SyntheticOptions)
def synthetic(kind: str, tokenizer: Any, n: int, options: SyntheticOptions) -> Encoded:
    """Write a corpus that asks a model for one known function, with exact tokens and gold pairs.

    `score`, `analyze` and `validate` take the result, or the file that its `save` writes, as
    corpus. Its relations are roles of these names: ``repeated`` and ``repeated_text`` have ``copy``
    and ``after_copy``, ``indirect_object`` has ``s1_to_s2``, ``after_s1_to_s2``, ``s2_to_end``,
    ``io_to_end`` and ``s1_to_end``, ``needle`` has ``retrieval``, ``ordered`` has ``successor``,
    and ``brackets`` has ``bracket``.

    Parameters
    ----------
    kind
        ``repeated``: random tokens, twice (Olsson et al. 2022, arXiv 2209.11895);
        ``repeated_text``: a text, twice; ``indirect_object``: prompts with two names (Wang et al.
        2022, 2211.00593); ``needle``: a question about one sentence of many (Wu et al. 2024,
        2404.15574); ``ordered``: lists (Gould et al. 2023, 2312.09230); ``brackets``: nested ones.
    tokenizer
        Hub id or folder of a tokenizer or a model, or a tokenizer.
    n
        Sequences. Each is a document of its own; a repeated text has the document that it is from.

    Returns
    -------
    Encoded

    Raises
    ------
    UsageError
        An option has a value that is not allowed, or is not one of this kind.
    InputError
        The tokenizer or the texts cannot be used.

    Examples
    --------
    >>> import headscore as hs
    >>> corpus = hs.synthetic("needle", "HuggingFaceTB/SmolLM2-135M", 100)
    >>> report = hs.analyze("HuggingFaceTB/SmolLM2-135M", corpus, roles="retrieval,sink")
    """
    _check(kind, n, options)
    loaded = load_tokenizer(tokenizer)
    limit = min(NO_LIMIT, int(loaded.model_max_length))
    names = [f"{kind}-{number}" for number in range(n)]
    make = _MAKERS.get(kind) or partial(_tasks, kind=kind)
    encoded = make(names, loaded, limit, options)
    return replace(
        encoded,
        facts={
            "headscore": version("headscore"),
            "tokenizer": tokenizer_hash(loaded),
            "max_length": str(limit),
            "too_long": "error",
            "parser": f"synthetic ({kind}, seed {options.seed})",
            "pairs": "none",
            "columns": "none",
        },
    )


def _check(kind: str, n: int, options: SyntheticOptions) -> None:
    if kind not in KINDS:
        raise UsageError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise UsageError(f"n must be an integer of at least 1, got {n!r}")
    if SIZES[kind] is None and options.size is not None:
        raise UsageError(f"size must be left out with {kind}, got {options.size}")
    if kind not in _OF_TEXTS and options.texts is not None:
        raise UsageError(f"texts must be left out with {kind}, which takes none")


def _generator(options: SyntheticOptions, number: int) -> np.random.Generator:
    # One for each sequence, so that the first ones are the same for any n.
    return np.random.default_rng((options.seed, number))


def _sized(kind: str, options: SyntheticOptions, rng: np.random.Generator) -> int:
    least, most = options.size or SIZES[kind] or (1, 1)
    return int(rng.integers(least, most + 1))


def _tasks(
    names: Many[str], tokenizer: Any, limit: int, options: SyntheticOptions, *, kind: str
) -> Encoded:
    texts = [text for text, _ in _texts(options)] if kind in _OF_TEXTS else []
    draw = partial(_draw, kind, texts=texts)
    tasks = []
    for number in range(len(names)):
        rng = _generator(options, number)
        tasks.append(draw(rng, _sized(kind, options, rng)))
    return encode_tasks(tasks, names, tokenizer, limit)


def _draw(kind: str, rng: np.random.Generator, size: int, *, texts: Many[str]) -> Task:
    if kind == "indirect_object":
        return indirect_object.draw(rng)
    if kind == "needle":
        return needle.draw(rng, size, texts)
    return ordered.draw(rng, size) if kind == "ordered" else brackets.draw(rng, size)


def _repeated(names: Many[str], tokenizer: Any, limit: int, options: SyntheticOptions) -> Encoded:
    ids = repeated.vocabulary(tokenizer)
    halves = []
    for number in range(len(names)):
        rng = _generator(options, number)
        halves.append(repeated.random_half(rng, _sized("repeated", options, rng), ids))
    return repeated.encode_repeats(halves, names, names, tokenizer, limit)


def _repeated_text(
    names: Many[str], tokenizer: Any, limit: int, options: SyntheticOptions
) -> Encoded:
    least, most = options.size or repeated.WORDS
    fit = [each for each in _texts(options) if least <= len(each[0].split()) <= most]
    if len(fit) < len(names):
        raise InputError(
            f"texts must hold at least {len(names)} of {least} to {most} words, got {len(fit)}"
        )
    chosen = [fit[at] for at in np.random.default_rng(options.seed).permutation(len(fit))]
    chosen = chosen[: len(names)]
    documents = [name if own is None else own for name, (_, own) in zip(names, chosen, strict=True)]
    halves = [repeated.text_half(text, tokenizer) for text, _ in chosen]
    return repeated.encode_repeats(halves, names, documents, tokenizer, limit)


def _texts(options: SyntheticOptions) -> list[tuple[str, str | None]]:
    """Return the texts that are not blank, with their documents."""
    corpus = demo_corpus() if options.texts is None else options.texts
    if isinstance(corpus, Encoded):
        raise InputError("texts must be a corpus of texts, got an Encoded, which has tokens only")
    found = [
        (segment.text.strip(), sequence.document)
        for sequence in read(corpus)
        for segment in sequence.segments
    ]
    found = [each for each in found if each[0]]
    if not found:
        raise InputError("texts must hold a text, got none")
    return found


_MAKERS: dict[str, Callable[[Many[str], Any, int, SyntheticOptions], Encoded]] = {
    "repeated": _repeated,
    "repeated_text": _repeated_text,
}
