"""One sentence of a CoNLL-U file: from its rows to a segment."""

from __future__ import annotations

from headscore.corpus.conllu.columns import CONLLU, Columns
from headscore.corpus.conllu.ids import Layout, RowError, read_layout
from headscore.corpus.conllu.labels import read_labels
from headscore.corpus.conllu.mentions import WordPair, coreferent, entity_of
from headscore.corpus.conllu.spelling import Span, place_tokens, spaces_in, split_span
from headscore.corpus.conllu.tree import TreeError, read_heads
from headscore.corpus.sequence import Segment


def read_segment(
    rows: list[str], text: str | None, columns: Columns = CONLLU, labels: tuple[str, ...] = ()
) -> Segment:
    """Read the rows of a sentence.

    Parameters
    ----------
    rows
        The lines below the comments.
    text
        The ``# text`` comment, if there is one.
    columns
        The columns of the file.
    labels
        Labels of words to read besides those of the columns.

    Raises
    ------
    RowError
        A row breaks a rule.
    DisagreementError
        `text` and the words differ.
    """
    names = columns.names
    fields = _split(rows, len(names))
    # Of n columns the fields of row r begin at (n + 1) r, so fields[column :: n + 1] is a column.
    table = {name: fields[column :: len(names) + 1] for column, name in enumerate(names)}
    forms = table["FORM"]
    if "" in forms:
        raise RowError(forms.index(""), "a form must have a character, got none")
    layout = read_layout(table["ID"])
    parsed = "HEAD" in table and "DEPREL" in table
    try:
        numbers = read_heads([table["HEAD"][row] for row in layout.words]) if parsed else None
    except TreeError as error:
        raise RowError(layout.words[error.word], error.reason) from None
    joined, spans = _place_words(layout, forms, table.get("MISC"), text)
    return Segment(
        joined,
        tuple([forms[row] for row in layout.words]),
        tuple(spans),
        numbers,
        None if numbers is None else tuple([table["DEPREL"][row] for row in layout.words]),
        read_labels(table, columns, layout.words, labels),
        _word_pairs(table, columns, layout, numbers),
    )


def _word_pairs(
    table: dict[str, list[str]],
    columns: Columns,
    layout: Layout,
    heads: tuple[int, ...] | None,
) -> tuple[WordPair, ...] | None:
    """Return the pairs of coreferent words; None where the file has no mentions."""
    if columns.mentions is None:
        return None
    brackets = [table[columns.mentions][row] for row in layout.words]
    if columns.mentions == "MISC":
        brackets = [entity_of(misc) for misc in brackets]
    return coreferent(brackets, heads, columns.entity)


def _split(rows: list[str], n_columns: int) -> list[str]:
    """Return the fields of all rows, one list, with a newline after each row's."""
    # One split for all rows instead of one per row, with "\n" as one more field of each:
    #
    #     a0 .. a9 \n b0 .. b9 \n        every eleventh field is "\n" exactly if each row has ten
    fields = ("\t\n\t".join(rows) + "\t\n").split("\t") if rows else []
    if fields[n_columns :: n_columns + 1] == ["\n"] * len(rows):
        return fields
    widths = [row.count("\t") + 1 for row in rows]
    row, width = next((row, width) for row, width in enumerate(widths) if width != n_columns)
    raise RowError(row, f"a row must have {n_columns} columns, got {width}")


def _place_words(
    layout: Layout, forms: list[str], misc: list[str] | None, text: str | None
) -> tuple[str, list[Span]]:
    """Return the text, and each word's span in it."""
    if misc is None:
        spaced = spaces_in(text, [forms[row] for row, _, _ in layout.tokens])
    else:
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
