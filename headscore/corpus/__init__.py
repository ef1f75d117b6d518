"""The door to every corpus: a file or an iterable in, a stream of sequences out."""

from __future__ import annotations

import difflib
import os
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from headscore.corpus.conllu.reader import read_conllu
from headscore.corpus.docbin import read_docbin
from headscore.corpus.items import ACCEPTED, read_items
from headscore.corpus.jsonl import read_jsonl
from headscore.corpus.sequence import Segment, Sequence
from headscore.corpus.table import check_columns
from headscore.corpus.text import read_text
from headscore.corpus.text_pairs import consecutive
from headscore.corpus.tsv import read_tsv
from headscore.errors import InputError, UsageError

__all__ = ["Segment", "Sequence", "read"]

_SUFFIXES = (".conllu", ".conll", ".tsv", ".jsonl", ".txt", ".spacy")
_TABLES = {".tsv": read_tsv, ".jsonl": read_jsonl}


def read(
    corpus: str | os.PathLike[str] | Iterable[Any],
    *,
    pairs: str | None = None,
    columns: tuple[str, ...] | None = None,
    skip_invalid: bool = False,
    counts: Counter[str] | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[Sequence]:
    """Read a corpus as a stream: no more than one sentence is held, beside the ids.

    Parameters
    ----------
    corpus
        The path of a ``.conllu``, ``.tsv``, ``.jsonl``, ``.txt`` or ``.spacy`` (DocBin) file, or an
        iterable in which each item is a text, a ``(text, text)`` tuple, a list of words, a mapping
        with named columns or a `Sequence`.
    pairs
        ``"consecutive"`` joins the 1st and 2nd sentence of a document, the 3rd and 4th, and so
        on. None leaves the sequences as they are.
    columns
        For ``.tsv`` and ``.jsonl`` files and mappings, the names of the one or two columns that
        hold the texts. None recognises the layouts of GLUE.
    skip_invalid
        Skip what breaks a rule instead of stopping there.
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
        An option has a value that is not allowed.
    InputError
        The corpus cannot be read, has an invalid entry, or holds no sequence.
    """
    if pairs not in (None, "consecutive"):
        raise UsageError(f"pairs must be None or 'consecutive', got {pairs!r}")
    columns = check_columns(columns)
    counts = Counter() if counts is None else counts
    if isinstance(corpus, str | os.PathLike):
        name = str(corpus)
        sequences = _read_file(Path(corpus), columns, skip_invalid, counts, log)
    else:
        name = "corpus"
        _check_iterable(corpus)
        sequences = read_items(
            corpus, columns=columns, skip_invalid=skip_invalid, counts=counts, log=log
        )
    if pairs is not None:
        sequences = consecutive(sequences, counts)
    return _not_empty(sequences, name)


def _read_file(
    path: Path,
    columns: tuple[str, ...] | None,
    skip_invalid: bool,
    counts: Counter[str],
    log: Callable[[str], None] | None,
) -> Iterator[Sequence]:
    _check_file(path)
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        read_table = _TABLES[suffix]
        return read_table(path, columns=columns, skip_invalid=skip_invalid, counts=counts, log=log)
    if columns is not None:
        raise UsageError(f"columns must be None for a {suffix} file, got {columns!r}")
    if suffix == ".txt":
        return read_text(path)
    if suffix == ".spacy":
        return read_docbin(path)
    return read_conllu(path, skip_invalid=skip_invalid, counts=counts, log=log)


def _check_file(path: Path) -> None:
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        start = reprlib.repr(str(path))
        raise InputError(f"no such file: {start} ({error.strerror}){_hint(path)}") from None
    if not exists:
        raise InputError(f"no such file: {str(path)!r}{_hint(path)}")
    if is_folder:
        raise InputError(f"corpus must be a file, got the folder {str(path)!r}")
    if path.suffix.lower() not in _SUFFIXES:
        allowed = ", ".join(_SUFFIXES)
        raise InputError(f"the corpus's name must end in one of {allowed}, got {str(path)!r}")


def _hint(path: Path) -> str:
    """Guess what was meant: a file with nearly that name, or a text."""
    if path.suffix.lower() not in _SUFFIXES and " " in str(path):
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
    if hasattr(corpus, "itertuples"):  # a pandas data frame would give its column names
        raise InputError(
            "corpus must be a path or an iterable of items, got a data frame: pass "
            "frame.to_dict('records') and columns"
        )


def _not_empty(sequences: Iterator[Sequence], name: str) -> Iterator[Sequence]:
    first = next(sequences, None)
    if first is None:
        raise InputError(f"{name} holds no sequence")
    yield first
    yield from sequences
