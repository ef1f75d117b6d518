"""Length: how many sequences a corpus has, counted without reading them, for progress bars."""

from __future__ import annotations

import os
import re
from collections.abc import Sized
from pathlib import Path
from typing import Any

from headscore.corpus.lines import read_pieces
from headscore.errors import InputError
from headscore.options import ReadOptions

_MOST = 2**30  # bytes of a file that are counted: about a second
_BLOCKS = (".conllu", ".conllup", ".cupt", ".conll")
_HEADERS = {".txt": 0, ".jsonl": 0, ".tsv": 1}  # lines that are no sequence
_GAP = re.compile(rb"\n(?:\r?\n)+")  # between the sentences of a CoNLL-U file
_DOCUMENT = re.compile(rb"^#[ \t]*newdoc\b", re.MULTILINE)
_PIECE = 1 << 20


def length(corpus: Any, options: ReadOptions) -> int | None:
    """Return how many sequences `headscore.corpus.read` will yield of a valid corpus.

    Where blank lines part text pairs it is a little less. None: it is not known, since the corpus
    is of another kind, too large, or invalid.
    """
    documents = _documents(corpus)
    if documents is None:
        return None
    # Of n sentences of a document n / 2 pairs are made, and of an odd number one stays alone.
    total = sum(documents if options.pairs is None else (-(-n // 2) for n in documents))
    return min([total, *(n for n in (options.limit, options.sample) if n is not None)])


def _documents(corpus: Any) -> list[int] | None:
    """Return the number of sequences of each document; of one where documents are unknown."""
    if not isinstance(corpus, str | os.PathLike):
        return [len(corpus)] if isinstance(corpus, Sized) else None
    path = Path(corpus)
    suffix = path.suffix.lower()
    try:
        if not path.is_file() or path.stat().st_size > _MOST:
            return None
        if suffix in _HEADERS:
            return [_lines(path) - _HEADERS[suffix]]
        return _sentences(path) if suffix in _BLOCKS else None
    except (OSError, InputError):
        return None


def _lines(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            count, last = count + piece.count(b"\n"), piece
    return count + (not last.endswith(b"\n"))


def _sentences(path: Path) -> list[int]:
    counts = [0]
    for piece in read_pieces(path):
        for block in _GAP.split(piece):
            if block.strip():
                if _DOCUMENT.search(block):
                    counts.append(0)
                counts[-1] += 1
    return counts
