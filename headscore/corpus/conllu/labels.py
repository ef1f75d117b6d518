"""Labels of words: the columns of a file, each feature, each key of MISC."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many

from headscore.corpus.conllu.columns import PLAIN, Columns

ALL = "*"  # stands for every label
_ABSENT = ("_", "*")  # no value; the second is that of PARSEME and other columns of CoNLL-U Plus
_WHOLE = ("LEMMA", "XPOS", "DEPREL")  # columns that `ALL` takes besides those read anyway
_LISTS = ("FEATS", "MISC")  # columns of Name=Value, with | between; a name in both is of FEATS
_MARKED = "yes"  # value of a name that stands alone, without =


def read_labels(
    table: dict[str, list[str]], columns: Columns, rows: Many[int], wanted: Iterable[str] = ()
) -> dict[str, tuple[str, ...]] | None:
    """Return the labels of words by name; None where no word has any.

    Parameters
    ----------
    table
        The fields of each column, by row.
    columns
        The columns of the file.
    rows
        The row of each word.
    wanted
        Names of labels besides those of `columns`, in upper or lower case: a column, a feature or a
        key of MISC. Each is stored under the name that was wanted, those of `ALL` in lower case.
    """
    absent = _ABSENT[:1] if columns.names == PLAIN else _ABSENT

    def column(name: str) -> tuple[str, ...]:
        return tuple(["" if (label := table[name][row]) in absent else label for row in rows])

    labels = {name.lower(): column(name) for name in columns.labels}
    if wanted:
        upper = {name.upper(): name for name in table}
        listed = _listed({name: column(upper[name]) for name in _LISTS if name in upper})
        for name in _named(wanted, upper, listed):
            whole = upper.get(name.upper())
            found = listed.get(name.lower()) if whole is None else column(whole)
            if found is not None:
                labels.setdefault(name, found)
    return {name: each for name, each in labels.items() if any(each)} or None


def _named(
    wanted: Iterable[str], upper: dict[str, str], listed: dict[str, tuple[str, ...]]
) -> list[str]:
    """Return the names of the labels that are wanted, with those that `ALL` stands for."""
    names: list[str] = []
    for name in wanted:
        every = [each.lower() for each in _WHOLE if each in upper] + list(listed)
        names += every if name == ALL else [name]
    return names


def _listed(lists: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the values of each name in FEATS and MISC, the names in lower case."""
    found: dict[str, list[str]] = {}
    for each in lists.values():
        own: dict[str, list[str]] = {}
        for word, text in enumerate(each):
            for part in text.split("|") if text else ():
                name, _, value = part.partition("=")
                own.setdefault(name.lower(), [""] * len(each))[word] = value or _MARKED
        found = {**own, **found}
    return {name: tuple(values) for name, values in found.items()}
