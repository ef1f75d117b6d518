"""CoNLL-U files, read strictly and as a stream (https://universaldependencies.org/format.html)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from headscore.corpus.conllu._sentences import read_valid
from headscore.corpus.conllu.columns import CONLLU, GLOBAL, Columns, find_columns
from headscore.corpus.conllu.ids import RowError
from headscore.corpus.conllu.numbering import Numbering
from headscore.corpus.conllu.sentence import read_segment
from headscore.corpus.conllu.spelling import DisagreementError
from headscore.corpus.invalid import refusal
from headscore.corpus.lines import Place, block_at, decode_lines, read_pieces, skip_empty_lines
from headscore.corpus.sequence import Segment, Sequence
from headscore.errors import InputError
from headscore.options import ReadOptions

_Comments = dict[str, tuple[int, str]]


def read_conllu(
    path: Place,
    options: ReadOptions = ReadOptions(),
    counts: Counter[str] | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[Sequence]:
    """Read a CoNLL-U file, one sequence a sentence.

    The text is what the surface tokens spell, or ``# text`` where that has other white space. The
    words are the syntactic words. The id is ``sent_id``, or ``s1``, ``s2``, ... by position in the
    file; the document is ``newdoc id``, or ``doc1``, ``doc2``, ... . A sentence with ``_`` for
    every head is not parsed.

    A first comment ``# global.columns`` names other columns (CoNLL-U Plus): those that are not of
    the parse become labels of words, under their names in lower case, and COREF word pairs of the
    relation ``coref``, as ``Entity`` in MISC does in files with ``# global.Entity``. Of CoNLL-U the
    parts of speech become labels, ``upos``, and those others that `options` names.

    Parameters
    ----------
    path
        The file.
    options
        ``skip_invalid``: skip a sentence that breaks a rule; ``labels``: labels of words to read.
    counts
        Its ``"invalid_skipped"`` counts the sentences skipped.
    log
        Called with one sentence for each sentence skipped.

    Raises
    ------
    InputError
        The file cannot be read or is not UTF-8, or names columns without ID and FORM. A sentence
        has a row with another number of columns, ids out of order, an empty form, heads that are no
        tree with one root, a used sent_id, or a ``# text`` that its words do not spell.
    """
    # Compiled code reads runs of valid sentences, without labels but parts of speech. It stops
    # before a block that it does not accept: `read_block` finds the fault, or reads it (its last
    # line has no ending).
    refuse = refusal(options.skip_invalid, counts, log)
    # Parts of speech are read anyway.
    labels = tuple(name for name in options.labels if name != "upos")
    numbering = Numbering()
    columns: Columns | None = None
    line = 1
    for piece in read_pieces(path):
        if columns is None:
            columns = find_columns(piece, str(path))
        at = 0
        while at < len(piece):
            if columns.plain and not labels:
                sequences, at, line = read_valid(piece, at, line, numbering)
                yield from sequences
            else:
                at, line = skip_empty_lines(piece, at, line)
            if at == len(piece):
                break
            raw = block_at(piece, at)
            try:
                block = decode_lines(raw, path, line)
                sequence = (
                    None
                    if _is_header(block)
                    else read_block(block, line, numbering, columns, labels)
                )
            except RowError as error:
                refuse(InputError(f"{path}:{line + error.row}: {error.reason}"))
            else:
                if sequence is not None:
                    yield sequence
            at, line = at + len(raw), line + raw.count(b"\n")


def _is_header(block: str) -> bool:
    """Return whether a block of lines names the columns and holds no sentence."""
    comments, n_comments = _read_comments(block.split("\n"))
    return GLOBAL in comments and n_comments == block.count("\n") + 1


def read_block(
    block: str,
    line: int,
    numbering: Numbering,
    columns: Columns = CONLLU,
    labels: tuple[str, ...] = (),
) -> Sequence:
    """Read a block of lines, the first with number `line`; raises RowError for a broken rule."""
    rows = block.split("\n")
    comments, n_comments = _read_comments(rows)
    _check_columns(comments, columns)
    numbering.ordinal += 1
    if "newdoc id" in comments or "newdoc" in comments:
        numbering.n_documents += 1
        numbering.document = _value(comments, "newdoc id") or f"doc{numbering.n_documents}"
    id_ = _value(comments, "sent_id") or f"s{numbering.ordinal}"
    # Row to blame for a repeated id: the sent_id comment, else the first row of the sentence.
    id_row = comments.get("sent_id", (n_comments, ""))[0]
    if (known := numbering.lines.get(id_)) is not None:
        raise RowError(id_row, f"sent_id must be new, got {id_!r} as on line {known}")
    segment = _read_segment(rows, n_comments, comments, columns, labels)
    numbering.lines.add(id_, line + id_row)
    return Sequence(id_, (segment,), numbering.document)


def _read_comments(rows: list[str]) -> tuple[_Comments, int]:
    """Return the row and the value of each ``# name = value``, and the number of comments."""
    comments: _Comments = {}
    for row, comment in enumerate(rows):
        # Comments stand at the top only; "#" may also be the form of a word further down.
        if not comment.startswith("#"):
            return comments, row
        name, _, value = comment[1:].partition("=")
        comments[name.strip()] = row, value
    return comments, len(rows)


def _value(comments: _Comments, name: str) -> str:
    return comments[name][1].strip() if name in comments else ""


def _check_columns(comments: _Comments, columns: Columns) -> None:
    """Raise RowError for a sentence that names other columns than the file."""
    row, value = comments.get(GLOBAL, (0, " ".join(columns.names)))
    if tuple(value.split()) != columns.names:
        raise RowError(
            row, f"{GLOBAL} must be {' '.join(columns.names)} as before, got {value.strip()}"
        )


def _read_segment(
    rows: list[str], n_comments: int, comments: _Comments, columns: Columns, labels: tuple[str, ...]
) -> Segment:
    text_row, text = comments.get("text", (0, None))
    try:
        # "# text = A b": only the one space after "=" is syntax, other white space is part of the
        # text.
        text = text and text.removeprefix(" ")
        return read_segment(rows[n_comments:], text, columns, labels)
    except RowError as error:
        raise RowError(n_comments + error.row, error.reason) from None
    except DisagreementError as error:
        raise RowError(text_row, str(error)) from None
