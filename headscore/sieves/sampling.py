"""Sample the controls of a chunk's word pairs: entries of their offsets and labels without an arc.

A control lies between tokens of two words of one text, holds no arc of the parse in either
direction, whatever its relation, and no word pair of a role in either direction. A text without any
arc or word pair supplies none: it may lack a parse.

Of a stratum - offset, labels of both words, surroundings, band of the sequence's length -
`CONTROLS` controls are kept for each entry of a word pair: those of sequences with such an entry
first, then others, each by a hash of the name of its sequence and its place. So the sample depends
on the sequences of the chunk and on the roles, and on nothing else.

Offset by offset, all tokens of the chunk are queries at once; with offset 2::

    token     0  1  2  3  4 | 5  6  7        the tokens of all sequences, one after the other
    query     0  1  2  3  4   5              free where query and key have one text
    key       2  3  4  5  6   7
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from headscore.arrays import Array, Bools, Ints, offsets_of, run_numbers, run_starts
from headscore.encoding.controls import Controls
from headscore.encoding.encoded import OWN_COLUMNS, Encoded
from headscore.roles.role import Role
from headscore.roles.token_labels import check_control
from headscore.sieves._planning import list_arcs
from headscore.sieves.plan import SievePlan
from headscore.sieves.strata import band_of, label_hashes, mix, text_hash
from headscore.sieves.surroundings import KINDS, Surroundings

CONTROLS = 4  # for each entry of a word pair: more would lower the variance by less than a fifth
_SLICE = 256  # sequences compiled at a time: a role may draw a mask of T x T for each


def with_controls(encoded: Encoded, roles: tuple[Role, ...], columns: tuple[str, ...]) -> Encoded:
    """Return a chunk with sampled controls of the word pairs of some roles.

    Parameters
    ----------
    encoded
        The chunk; returned as it is if it has controls already, or without columns.
    roles
        The roles; those of other sieves than `Pairs` have no word pairs.
    columns
        Names of the columns whose labels are compared.

    Raises
    ------
    InputError
        The chunk has word pairs, but no such column.
    """
    if not columns or encoded.controls is not None:
        return encoded
    cases = _cases(encoded, roles)
    if len(cases):
        check_control(columns, [name for name in encoded.columns if name not in OWN_COLUMNS])
    query, key = _sample(_Tokens.of(encoded, columns, cases), cases)
    # Sorted by query, entries are sorted by sequence.
    order = np.lexsort((key, query))
    query, key = query[order], key[order]
    owner = encoded.places[0][query]
    controls = Controls(
        columns,
        offsets_of(np.bincount(owner, minlength=len(encoded))),
        (query - encoded.offsets[owner]).astype(np.int32),
        (key - encoded.offsets[owner]).astype(np.int32),
    )
    return replace(encoded, controls=controls)


def _cases(encoded: Encoded, roles: tuple[Role, ...]) -> Ints:
    """Return the entries of word pairs, each once: (query, key) among all tokens, (entry, 2)."""
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(encoded), _SLICE):
        part = encoded.take(np.arange(start, min(start + _SLICE, len(encoded))))
        plan = SievePlan.unchecked(roles, part)
        listed = plan.listed[plan.entry_role]
        first = encoded.offsets[start + plan.entry_sequence[listed]]
        places = (first + plan.entry_query[listed], first + plan.entry_key[listed])
        found.append(np.stack(places, axis=1))
    return np.unique(np.concatenate(found), axis=0)


@dataclass(frozen=True)
class _Tokens:
    """What is known of all tokens of a chunk, (token,) each.

    Attributes
    ----------
    label
        Number of the token's labels, -1 for none.
    band
        Band of the length of its sequence.
    sequence, seed
        Number of its sequence, and a hash of the name of that.
    position
        Position in the sequence.
    as_query, as_key
        The text of a token that controls may have, -1 and -2 for others.
    surroundings
        Words, and what else strata have in common.
    taken
        (place, 2), sorted by offset: queries and keys that hold an arc or a word pair.
    """

    label: Ints
    band: Ints
    sequence: Ints
    seed: Array
    position: Ints
    as_query: Ints
    as_key: Ints
    surroundings: Surroundings
    taken: Ints

    @classmethod
    def of(cls, encoded: Encoded, columns: tuple[str, ...], cases: Ints) -> _Tokens:
        sequence, position = encoded.places
        hashes, number = np.unique(label_hashes(encoded, columns), return_inverse=True)
        label = np.where(hashes[number] == 0, -1, number)
        taken = np.concatenate([_arcs(encoded, sequence), cases, cases[:, ::-1]])
        # At most two texts in a sequence; special tokens and those without a label have none.
        text = 2 * sequence + encoded.segments
        supplies = np.zeros(2 * len(encoded), np.bool_)
        supplies[text[taken[:, 0]]] = True
        usable = supplies[text] & (label >= 0) & ~encoded.special
        seeds = np.array([text_hash(name) for name in encoded.ids], np.uint64)
        return cls(
            label=label,
            band=band_of(encoded.lengths)[sequence],
            sequence=sequence,
            seed=seeds[sequence],
            position=position,
            as_query=np.where(usable, text, -1),
            as_key=np.where(usable, text, -2),
            surroundings=Surroundings.of(encoded, columns, hashes[number]),
            taken=taken[np.argsort(taken[:, 1] - taken[:, 0], kind="stable")],
        )

    def strata(self, query: Ints, offset: int) -> Ints:
        """Return the stratum of entries of an offset; below 0 where a token has no label."""
        of_query, of_key = self.label[query], self.label[query + offset]
        labels, bands = int(self.label.max(initial=0)) + 1, int(self.band.max(initial=0)) + 1
        known = (of_query >= 0) & (of_key >= 0)
        number = (of_query * labels + of_key) * bands + self.band[query]
        surroundings = self.surroundings.of_entries(query, query + offset)
        return np.where(known, number * KINDS + surroundings, -1)

    def free(self, offset: int) -> Ints:
        """Return the queries that may be of controls at an offset."""
        # Queries low .. high - 1 have keys low + offset .. high + offset - 1.
        low, high = max(0, -offset), len(self.label) - max(0, offset)
        own, other = slice(low, high), slice(low + offset, high + offset)
        free = self.as_query[own] == self.as_key[other]
        free &= self.surroundings.word[own] != self.surroundings.word[other]
        distances = self.taken[:, 1] - self.taken[:, 0]
        first, last = np.searchsorted(distances, (offset, offset + 1))
        free[self.taken[first:last, 0] - low] = False
        return np.flatnonzero(free) + low


def _arcs(encoded: Encoded, sequence: Ints) -> Ints:
    """Return the arcs of the parse in both directions, (query, key) among all tokens."""
    offsets, keys = list_arcs(encoded.pairs, encoded.offsets)
    query = np.repeat(np.arange(len(encoded.input_ids)), np.diff(offsets))
    return np.stack((query, encoded.offsets[sequence[query]] + keys), axis=1)


def _sample(tokens: _Tokens, cases: Ints) -> tuple[Ints, Ints]:
    """Return the queries and keys of all controls, among all tokens."""
    found = [(query, query + offset) for offset, query in _by_offset(tokens, cases)]
    none = np.zeros(0, np.int64)
    return (
        np.concatenate([none, *(query for query, _ in found)]),
        np.concatenate([none, *(key for _, key in found)]),
    )


def _by_offset(tokens: _Tokens, cases: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield each offset of word pairs with the queries of its controls."""
    distance = cases[:, 1] - cases[:, 0]
    order = np.argsort(distance, kind="stable")
    starts = run_starts(distance[order])
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        query = cases[order[first:last], 0]
        offset = int(distance[order[first]])
        stratum = tokens.strata(query, offset)
        wanted, which, counts = np.unique(stratum, return_inverse=True, return_counts=True)
        # (stratum, sequence) of the word pairs, as one number.
        held = np.unique(which * len(tokens.label) + tokens.sequence[query])
        yield offset, _chosen(tokens, offset, wanted, CONTROLS * counts, held)


def _chosen(tokens: _Tokens, offset: int, wanted: Ints, quota: Ints, held: Ints) -> Ints:
    """Return the queries of the controls of some strata of an offset."""
    query = tokens.free(offset)
    which, matches = _places(wanted, tokens.strata(query, offset))
    query, which = query[matches], which[matches]
    _, here = _places(held, which * len(tokens.label) + tokens.sequence[query])
    drawn = mix(tokens.seed[query], tokens.position[query], tokens.position[query] + offset)
    few = np.flatnonzero(here | _low(drawn, which, quota, here))
    query, which, here, drawn = query[few], which[few], here[few], drawn[few]
    order = np.lexsort((drawn, ~here, which))
    query, which = query[order], which[order]
    # The rank of each entry in its stratum.
    rank = np.arange(len(which)) - run_starts(which)[run_numbers(which)]
    return np.asarray(query[rank < quota[which]])


def _places(ordered: Ints, values: Ints) -> tuple[Ints, Bools]:
    """Return the places of values in a sorted array of at least one, and which are there."""
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return places, ordered[places] == values


def _low(drawn: Array, which: Ints, quota: Ints, here: Bools) -> Bools:
    """Return the entries whose hashes may be among the lowest of their stratum.

    They spare the sort of all: of a common stratum thousands of entries are free.
    """
    # Hashes are uniform: below this limit lie twice as many as are wanted, and some more.
    limit = (2 * quota + 16) / np.maximum(np.bincount(which, minlength=len(quota)), 1)
    low = drawn < np.minimum(limit, 1)[which] * 2.0**64
    # Where they happen to be too few, all entries of the stratum stay.
    enough = np.bincount(which[low | here], minlength=len(quota)) >= quota
    return np.asarray(low | ~enough[which])
