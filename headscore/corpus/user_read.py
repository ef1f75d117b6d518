"""Read a corpus as `headscore.score` reads it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from headscore.corpus.readers import read as read_corpus
from headscore.corpus.sequence import Sequence
from headscore.log import log
from headscore.options import ReadOptions
from headscore.signatures import takes


@takes(ReadOptions)
def read(
    corpus: str | os.PathLike[str] | Iterable[Any], options: ReadOptions
) -> Iterator[Sequence]:
    """Read a corpus as a stream of `Sequence`, which `score` and `analyze` take in a list.

    Parameters
    ----------
    corpus
        As in `score`, but for an encoded one.

    Returns
    -------
    iterator of Sequence

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        The corpus cannot be read, has an invalid entry, or holds no sequence.

    Examples
    --------
    >>> import headscore as hs
    >>> corpus = hs.read("corpus.conllu")
    >>> questions = [each for each in corpus if each.segments[0].text.endswith("?")]
    >>> report = hs.analyze("google-bert/bert-base-uncased", questions)
    """
    return read_corpus(corpus, options, log=log.warning)
