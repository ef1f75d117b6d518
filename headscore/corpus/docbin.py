"""spaCy DocBin files: parsed or merely tokenised documents (https://spacy.io/api/docbin)."""

from __future__ import annotations

from collections.abc import Iterator

from headscore.corpus.lines import Place
from headscore.corpus.sequence import Sequence
from headscore.corpus.spacy_doc import read_doc
from headscore.errors import InputError


def read_docbin(path: Place, *_: object) -> Iterator[Sequence]:
    """Read a DocBin file, one sequence a Doc; the id is its index.

    The format can only be read as a whole: this reader holds the file in memory.

    Raises
    ------
    InputError
        The file cannot be read, or is no DocBin.
    """
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    try:
        # An empty vocabulary: the strings of the documents are in the file.
        docs = DocBin().from_disk(path).get_docs(Vocab())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # of any kind: its parts are taken from the file unchecked
        raise _damaged(path, error) from error
    index = 0
    while True:
        try:
            # get_docs builds each Doc when it is asked for, so damage may show at any of them.
            doc = next(docs, None)
        except Exception as error:
            raise _damaged(path, error) from error
        if doc is None:
            return
        yield Sequence(str(index), (read_doc(doc, parsed=doc.has_annotation("DEP")),))
        index += 1


def _damaged(path: Place, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: must be a spaCy DocBin that is whole, got {reason}")
