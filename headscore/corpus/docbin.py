"""spaCy DocBin files: parsed or merely tokenised documents (https://spacy.io/api/docbin)."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

from headscore.corpus.lines import Place
from headscore.corpus.sequence import Sequence
from headscore.corpus.spacy_doc import read_doc
from headscore.errors import InputError, one_line
from headscore.options import ReadOptions

# A file may hold `_SMALL` bytes, or `_RATIO` times its own size: parsed English has 11 times, what
# is compressed best 1032 times (https://zlib.net/zlib_tech.html).
_SMALL, _RATIO = 2**26, 100


def read_docbin(
    path: Place, options: ReadOptions = ReadOptions(), *_: object
) -> Iterator[Sequence]:
    """Read a DocBin file, one sequence a Doc; the id is its index.

    The format can only be read as a whole: this reader holds the file in memory.

    Raises
    ------
    InputError
        The file cannot be read, is no DocBin, or holds far more than its size.
    """
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    try:
        data = Path(path).read_bytes()
        _check(data, path)
        # An empty vocabulary: the strings of the documents are in the file.
        docs = DocBin().from_bytes(data).get_docs(Vocab())
        # get_docs builds each Doc when it is asked for, and a Doc looks up its strings when it is
        # read: damage may show at any of them.
        for index, doc in enumerate(docs):
            parsed = doc.has_annotation("DEP")
            yield Sequence(str(index), (read_doc(doc, parsed=parsed, labels=options.labels),))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # of any kind: its parts are taken from the file unchecked
        raise InputError(
            f"{path}: must be a spaCy DocBin that is whole, got {one_line(error)}"
        ) from error


def _check(data: bytes, path: Place) -> None:
    """Raise InputError for what DocBin would take as it is: far too much, or other lengths."""
    import srsly

    most = max(_SMALL, _RATIO * len(data))
    whole = zlib.decompressobj().decompress(data, most + 1)
    if len(whole) > most:
        raise InputError(
            f"{path}: a DocBin of {len(data)} bytes must hold at most {most} bytes, got more"
        )
    parts = srsly.msgpack_loads(whole)
    lengths = array("i", parts["lengths"])
    n_tokens = len(parts["tokens"]) // (8 * len(parts["attrs"]))
    if min(lengths, default=0) < 0 or sum(lengths) != n_tokens:
        raise InputError(
            f"{path}: the lengths of a DocBin must add up to its {n_tokens} tokens, "
            f"got {sum(lengths)}"
        )
