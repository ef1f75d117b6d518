"""Roles of token labels: punctuation, pieces of one word, columns of the corpus.

Heads that look at punctuation: Clark et al. 2019 (arXiv 1906.04341).
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from headscore.arrays import Array, ragged_take, run_numbers, run_starts
from headscore.encoding.encoded import OWN_COLUMNS, PLACES, Column, Encoded
from headscore.errors import InputError, UsageError
from headscore.roles.role import Labels, Pairs, Role, to_everyone

_NOTHING = Column(np.zeros(0, np.int32), ())
# A longer word is none: a sequence without spaces, such as a protein, has no mark between
# words, and all pairs of its tokens would not fit in memory.
_MOST_PIECES = 128
_LISTED = 30  # columns, or labels of one, that an error lists


def labelled(spec: str, column: str, value: str | None) -> Role:
    """Make the role of the tokens with the query's label in a column, or with one value.

    Parameters
    ----------
    spec
        The role's name.
    column
        Name of a column of the corpus, such as ``upos``.
    value
        Only keys with this value, whatever the query has; None: keys with the query's value, the
        query itself among them.
    """
    if not column or value == "":
        raise UsageError(f"label must come as label:COLUMN or label:COLUMN=VALUE, got {spec!r}")
    sieve = partial(_same_label, column=column, value=value)
    return Role(spec, sieve, lacking=partial(_no_label, column=column, value=value))


def _same_label(batch: Encoded, *, column: str, value: str | None) -> Labels:
    keyed = batch.keyed
    values, names = keyed.columns.get(column, _NOTHING)
    key = keyed.grid(values, fill=-1) if len(values) else np.full((len(keyed), keyed.tokens), -1)
    if value is not None:
        return to_everyone(np.where(_is_value(key, names, value), 0, -1), batch.tokens)
    return Labels(key if keyed is batch else _in_names(batch, column, names), key)


def _in_names(batch: Encoded, column: str, names: tuple[str, ...]) -> Array:
    """Return the labels of a batch's own tokens as numbers among other names, -1 for none."""
    values, own = batch.columns.get(column, _NOTHING)
    if not len(values):
        return np.full((len(batch), batch.tokens), -1)
    if own:
        number = {name: n for n, name in enumerate(names)}
        values = np.array([number.get(name, -1) for name in own] + [-1])[values]
    return batch.grid(values, fill=-1)


def _is_value(label: Array, names: tuple[str, ...], value: str) -> Array:
    return np.asarray(label == names.index(value) if value in names else np.zeros_like(label, bool))


def asked_label(role: Role) -> tuple[str, str | None] | None:
    """Return column and value of a role ``label:COLUMN`` or ``label:COLUMN=VALUE``, else None.

    None too for the columns that encoding itself makes, which no corpus has.
    """
    sieve = role.sieve
    if not isinstance(sieve, partial) or sieve.func is not _same_label:
        return None
    column = sieve.keywords["column"]
    return None if column in OWN_COLUMNS else (column, sieve.keywords["value"])


def asked_column(role: Role) -> str | None:
    """Return the column that a role reads its labels from, None for another role."""
    asked = asked_label(role)
    return None if asked is None else asked[0]


def check_control(columns: Iterable[str], known: Sequence[str]) -> None:
    """Raise InputError for a column of a control that the corpus does not have."""
    for name in columns:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            meant = f", did you mean {near[0]!r}?" if near else ""
            raise InputError(
                "control must name columns of the corpus, whose columns are "
                f"{', '.join(known) or 'none'}, got {name!r}{meant}{_if_read(name, known)}"
            )


def no_column(column: str, columns: Sequence[str]) -> str:
    """Return the reason for a role of a column that is not there."""
    near = difflib.get_close_matches(column.lower(), columns, n=1)
    meant = f", did you mean {near[0]!r}?" if near else ""
    there = f"its columns are {_listed(columns)}{meant}"
    return f"the corpus has no column {column!r}, {there}{_if_read(column, columns)}"


def _if_read(column: str, columns: Sequence[str]) -> str:
    """Return how to read a column that `headscore.read` may have left out, "" elsewhere.

    Of CoNLL-U it reads parts of speech alone, unless it is asked for more; a run that reads the
    file itself asks for what its roles and control name.
    """
    if column in OWN_COLUMNS or {*columns} - {*OWN_COLUMNS} != {"upos"}:
        return ""
    return f"; hs.read reads it from a file with hs.read(path, labels=[{column!r}])"


def no_value(column: str, value: str, values: Iterable[str]) -> str:
    """Return the reason for a role of a label that no word has."""
    values = list(values)
    written = {each.lower(): each for each in values}
    near = difflib.get_close_matches(value.lower(), written, n=1)
    meant = f", did you mean {written[near[0]]!r}?" if near else ""
    return f"no token has {value!r} in column {column!r}, which has {_listed(values)}{meant}"


def _listed(names: Iterable[str]) -> str:
    first = list(itertools.islice(names, _LISTED + 1))
    return ", ".join([*first[:_LISTED], *(["..."] if len(first) > _LISTED else [])]) or "none"


def _no_label(encoded: Encoded, *, column: str, value: str | None) -> str | None:
    encoded = encoded.keyed
    if column not in encoded.columns:
        return no_column(column, [name for name in encoded.columns if name not in PLACES])
    values, names = encoded.columns[column]
    if value is None:
        return None if (values >= 0).any() else f"no token has a label in column {column!r}"
    if value in names and (values == names.index(value)).any():
        return None
    return no_value(column, value, names)


def _same_word(batch: Encoded) -> Pairs:
    """Return the entries between different pieces of the same word, of at most 128 pieces."""
    if "word" not in batch.columns:
        return Pairs.from_lists([])
    # Sorted by (sequence, word), the pieces of a word are a run. Every piece of a word takes the
    # whole run as keys:
    #
    #     flat token   0  1  2  3         word   -1  0  0  -1
    #     sorted       0  3  1  2         runs   0 3 | 1 2
    #     known        places 2 and 3     queries 2 2 3 3, keys 2 3 2 3, then back to flat tokens
    row, position = batch.places
    word = batch.columns["word"].labels
    order = np.lexsort((word, row))
    word, row = word[order], row[order]
    # `run_starts` are the offsets of the runs, `run_numbers` the run of each place; the elements
    # that `ragged_take` returns are places in the sorted order.
    starts, runs = run_starts(word, row), run_numbers(word, row)
    known = np.flatnonzero((word >= 0) & (np.diff(starts)[runs] <= _MOST_PIECES))
    offsets, keys = ragged_take(starts, runs[known])
    queries = np.repeat(known, np.diff(offsets))
    other = queries != keys
    sequence, queries, keys = row[queries[other]], order[queries[other]], order[keys[other]]
    return Pairs(sequence, np.zeros_like(sequence), position[queries], position[keys])


def _no_pieces(encoded: Encoded) -> str | None:
    if len(_same_word(encoded).query):
        return None
    if "word" in encoded.columns:
        row, word = encoded.places[0], encoded.columns["word"].labels
        _, pieces = np.unique(np.stack([row, word])[:, word >= 0], axis=1, return_counts=True)
        if pieces.max(initial=0) > _MOST_PIECES:
            return f"every word of several pieces has more than {_MOST_PIECES}"
    return "no word of the corpus has more than one piece, or none are known"


LABELLED = (
    Role(
        "punctuation",
        partial(_same_label, column="punctuation", value="yes"),
        lacking=partial(_no_label, column="punctuation", value="yes"),
    ),
    Role("same_word", _same_word, lacking=_no_pieces, one_text=True),
)
