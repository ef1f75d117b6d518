"""CoNLL-U files, read strictly and as a stream (https://universaldependencies.org/format.html)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from headscore.corpus.conllu.ids import RowError
from headscore.corpus.conllu.sentence import read_segment
from headscore.corpus.conllu.spelling import DisagreementError
from headscore.corpus.invalid import refusal
from headscore.corpus.lines import Place, read_blocks
from headscore.corpus.seen_ids import SeenIds
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

    Parameters
    ----------
    path
        The file.
    options
        ``skip_invalid``: skip a sentence that breaks a rule.
    counts
        Its ``"invalid_skipped"`` counts the sentences skipped.
    log
        Called with one sentence for each sentence skipped.

    Raises
    ------
    InputError
        The file cannot be read or is not UTF-8. A sentence has a row without 10 columns, ids out
        of order, an empty form, heads that are no tree with one root, a used sent_id, or a
        ``# text`` that its words do not spell.
    """
    refuse = refusal(options.skip_invalid, counts, log)
    lines = SeenIds()
    document: str | None = None
    n_documents = 0
    # Sentences are numbered by position, invalid ones included: ids do not change with
    # skip_invalid.
    for ordinal, (line, block) in enumerate(read_blocks(path), start=1):
        rows = block.split("\n")
        comments, n_comments = _read_comments(rows)
        if "newdoc id" in comments or "newdoc" in comments:
            n_documents += 1
            document = _value(comments, "newdoc id") or f"doc{n_documents}"
        id_ = _value(comments, "sent_id") or f"s{ordinal}"
        # Row to blame for a repeated id: the sent_id comment, else the first row of the sentence.
        id_row = comments.get("sent_id", (n_comments, ""))[0]
        try:
            if (first := lines.get(id_)) is not None:
                raise RowError(id_row, f"sent_id must be new, got {id_!r} as on line {first}")
            segment = _read_segment(rows, n_comments, comments)
        except RowError as error:
            refuse(InputError(f"{path}:{line + error.row}: {error.reason}"))
        else:
            lines.add(id_, line + id_row)
            yield Sequence(id_, (segment,), document)


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


def _read_segment(rows: list[str], n_comments: int, comments: _Comments) -> Segment:
    text_row, text = comments.get("text", (0, None))
    try:
        # "# text = A b": only the one space after "=" is syntax, other white space is part of the
        # text.
        return read_segment(rows[n_comments:], text and text.removeprefix(" "))
    except RowError as error:
        raise RowError(n_comments + error.row, error.reason) from None
    except DisagreementError as error:
        raise RowError(text_row, str(error)) from None
