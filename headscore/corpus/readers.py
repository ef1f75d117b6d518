"""Choose the reader of a corpus, a file or an iterable, and check what it is given."""

from __future__ import annotations

import difflib
import os
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from headscore.corpus.conllu.reader import read_conllu
from headscore.corpus.docbin import read_docbin
from headscore.corpus.items import ACCEPTED, read_items
from headscore.corpus.jsonl import read_jsonl
from headscore.corpus.sequence import Sequence
from headscore.corpus.spacy_doc import is_doc
from headscore.corpus.subset import subset
from headscore.corpus.text import read_text
from headscore.corpus.text_pairs import consecutive
from headscore.corpus.tsv import read_tsv
from headscore.errors import InputError, UsageError
from headscore.options import ReadOptions

Log = Callable[[str], None] | None
Reader = Callable[[Path, ReadOptions, Counter[str], Log], Iterator[Sequence]]

# Reader of each ending. All have the same arguments; those without options ignore them.
readers: dict[str, Reader] = {
    ".conllu": read_conllu,
    ".conllup": read_conllu,
    ".cupt": read_conllu,
    ".conll": read_conllu,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".txt": read_text,
    ".spacy": read_docbin,
}
_TABLES = (".tsv", ".jsonl")  # whose texts lie in named columns


def read(
    corpus: str | os.PathLike[str] | Iterable[Any],
    options: ReadOptions = ReadOptions(),
    counts: Counter[str] | None = None,
    log: Log = None,
) -> Iterator[Sequence]:
    """Read a corpus as a stream; a small piece of the file and the ids are held in memory.

    Parameters
    ----------
    corpus
        The path of a ``.conllu``, ``.conllup``, ``.tsv``, ``.jsonl``, ``.txt`` or ``.spacy``
        (DocBin) file, or an iterable in which each item is a text, a ``(text, text)`` tuple, a list
        of words, a mapping with named columns, a `Sequence` or a spaCy Doc.
    options
        How it is read.
    counts
        Filled while reading: ``"invalid_skipped"``.
    log
        Called with one sentence for each entry skipped.

    Returns
    -------
    iterator of Sequence
        Each with an id of its own: ``sent_id``, the number of the line, or the index of the item.
        Blank texts are among them.

    Raises
    ------
    UsageError
        Columns were named for a file that has none, or one that is not there; or a sample is asked
        of a corpus that can be read once only.
    InputError
        The corpus cannot be read, has an invalid entry, or holds no sequence.
    """
    counts = Counter() if counts is None else counts
    sequences = _sequences(corpus, options, counts, log)
    if options.limit is not None or options.sample is not None:
        _check_sampled(corpus, options)
        sequences = subset(
            sequences,
            partial(_sequences, corpus, options, Counter(), None),
            limit=options.limit,
            sample=options.sample,
            seed=options.seed,
        )
    return _not_empty(sequences, str(corpus) if _is_path(corpus) else "corpus")


def _sequences(
    corpus: Any, options: ReadOptions, counts: Counter[str], log: Log
) -> Iterator[Sequence]:
    """Read all of a corpus."""
    if _is_path(corpus):
        path = Path(corpus)
        _check_file(path, options)
        sequences = readers[path.suffix.lower()](path, options, counts, log)
    else:
        _check_iterable(corpus)
        sequences = read_items(corpus, options, counts, log)
    return sequences if options.pairs is None else consecutive(sequences, counts)


def _is_path(corpus: object) -> bool:
    return isinstance(corpus, str | os.PathLike)


def _check_sampled(corpus: Any, options: ReadOptions) -> None:
    """Raise UsageError for a sample of what can be read once only."""
    if options.sample is None:
        return
    once = isinstance(corpus, Iterator) or (_is_path(corpus) and not Path(corpus).is_file())
    if once:
        kind = "pipe" if _is_path(corpus) else type(corpus).__name__
        raise UsageError(f"a corpus must be one that can be read twice to sample it, got a {kind}")


def _check_file(path: Path, options: ReadOptions) -> None:
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        start = reprlib.repr(str(path))
        raise InputError(f"no such file: {start} ({error.strerror}){_hint(path)}") from None
    if not exists:
        raise InputError(f"no such file: {str(path)!r}{_hint(path)}")
    if is_folder:
        raise InputError(f"corpus must be a file, got the folder {str(path)!r}")
    suffix = path.suffix.lower()
    if suffix == ".hse":
        raise InputError(
            "an encoded corpus is for score and analyze alone, without shards and dry run: here "
            f"the corpus itself is needed, got {str(path)!r}"
        )
    if suffix not in readers:
        allowed = ", ".join(readers)
        raise InputError(f"the corpus's name must end in one of {allowed}, got {str(path)!r}")
    if options.columns is not None and suffix not in _TABLES:
        raise UsageError(f"columns must be None for a {suffix} file, got {options.columns!r}")


def _hint(path: Path) -> str:
    """Return a hint for a missing file: a file of a similar name, or that a text was passed."""
    if path.suffix.lower() not in readers and " " in str(path):
        return " (a text must be in a list: [text])"
    try:
        names = [each.name for each in path.parent.iterdir()]
    except (OSError, ValueError):
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f", did you mean {str(path.parent / near[0])!r}?" if near else ""


def _check_iterable(corpus: object) -> None:
    if isinstance(corpus, bytes | Mapping) or not isinstance(corpus, Iterable):
        kind = type(corpus).__name__
        raise InputError(f"corpus must be a path or an iterable of items ({ACCEPTED}), got {kind}")
    if is_doc(corpus):  # would give its tokens
        raise InputError("corpus must be a path or an iterable of items, got a Doc: pass [doc]")
    if hasattr(corpus, "itertuples"):  # a pandas data frame would give its column names
        raise InputError(
            "corpus must be a path or an iterable of items, got a data frame: pass "
            "frame.to_dict('records') and columns"
        )


def _not_empty(sequences: Iterator[Sequence], name: str) -> Iterator[Sequence]:
    # Reads one sequence ahead, so the error is raised before any work on the corpus.
    first = next(sequences, None)
    if first is None:
        raise InputError(f"{name} holds no sequence")
    yield first
    yield from sequences
