"""One sentence of a CoNLL-U file: from its rows to a segment."""

from __future__ import annotations

from headscore.corpus.conllu.ids import Layout, RowError, read_layout
from headscore.corpus.conllu.spelling import Span, place_tokens, split_span
from headscore.corpus.conllu.tree import TreeError, read_heads
from headscore.corpus.sequence import Segment

_N_COLUMNS = 10
_ID, _FORM, _UPOS, _HEAD, _DEPREL, _MISC = 0, 1, 3, 6, 7, 9


def read_segment(rows: list[str], text: str | None) -> Segment:
    """Read the rows of a sentence.

    Parameters
    ----------
    rows
        The lines below the comments.
    text
        The ``# text`` comment, if there is one.

    Raises
    ------
    RowError
        A row breaks a rule.
    DisagreementError
        `text` and the words differ.
    """
    fields = _split(rows)
    # Fields of row r begin at 11 r, so fields[column :: 11] is a column.
    ids, forms, upos, heads, relations, misc = (
        fields[column :: _N_COLUMNS + 1] for column in (_ID, _FORM, _UPOS, _HEAD, _DEPREL, _MISC)
    )
    if "" in forms:
        raise RowError(forms.index(""), "a form must have a character, got none")
    layout = read_layout(ids)
    try:
        numbers = read_heads([heads[row] for row in layout.words])
    except TreeError as error:
        raise RowError(layout.words[error.word], error.reason) from None
    joined, spans = _place_words(layout, forms, misc, text)
    return Segment(
        joined,
        tuple([forms[row] for row in layout.words]),
        tuple(spans),
        numbers,
        None if numbers is None else tuple([relations[row] for row in layout.words]),
        _labels(upos, layout),
    )


def _labels(upos: list[str], layout: Layout) -> dict[str, tuple[str, ...]] | None:
    """Return the parts of speech, "" for a word without one; None where no word has any."""
    tags = tuple(["" if upos[row] == "_" else upos[row] for row in layout.words])
    return {"upos": tags} if any(tags) else None


def _split(rows: list[str]) -> list[str]:
    """Return the fields of all rows, one list, with a newline after each row's ten."""
    # One split for all rows instead of one per row, with "\n" as an eleventh field of each:
    #
    #     a0 .. a9 \n b0 .. b9 \n        every eleventh field is "\n" exactly if each row has ten
    fields = ("\t\n\t".join(rows) + "\t\n").split("\t") if rows else []
    if fields[_N_COLUMNS :: _N_COLUMNS + 1] == ["\n"] * len(rows):
        return fields
    widths = [row.count("\t") + 1 for row in rows]
    row, width = next((row, width) for row, width in enumerate(widths) if width != _N_COLUMNS)
    raise RowError(row, f"a row must have {_N_COLUMNS} columns, got {width}")


def _place_words(
    layout: Layout, forms: list[str], misc: list[str], text: str | None
) -> tuple[str, list[Span]]:
    """Return the text, and each word's span in it."""
    spaced = [misc[row] == "_" or not _is_glued(misc[row]) for row, _, _ in layout.tokens]
    joined, spans = place_tokens([forms[row] for row, _, _ in layout.tokens], spaced, text)
    # Every row is a token: no ranges and no empty nodes, the usual case.
    if len(layout.tokens) == len(forms):
        return joined, spans
    words = [forms[row] for row in layout.words]
    placed: list[Span] = []
    for (row, start, stop), span in zip(layout.tokens, spans, strict=True):
        placed.extend(split_span(span, forms[row], words[start:stop]))
    return joined, placed


def _is_glued(misc: str) -> bool:
    # MISC is a list of Name=Value, or "_" for none.
    return "SpaceAfter=No" in misc.split("|")
