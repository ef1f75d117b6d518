"""The word pairs of a role in one sequence: queries with the keys that the role has for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Many
from dataclasses import replace

import numpy as np

from headscore.arrays import Array, Bools
from headscore.encoding.encoded import Encoded
from headscore.report.example_set import Attended, Pair
from headscore.roles.crossing import sieve_of
from headscore.roles.role import Labels, Pairs, Role

# Scores of some roles in a sequence and a head: float (role,).
Score = Callable[[Many[Role]], Array]
Group = tuple[tuple[int, ...], tuple[int, ...]]  # queries, keys

_ROLES_OF_A_PASS = 256
_MOST_KEYS = 4  # that a query attends to most; and the most of its keys in the role


def pairs_of(role: Role, one: Encoded, score: Score, *, most: int) -> tuple[Pair, ...]:
    """Return the pairs of a role in a sequence with their scores, strongest first.

    A role that draws no word pairs has a pair for each query that it gives keys to.

    Parameters
    ----------
    role
        The role.
    one
        The sequence.
    score
        Scores of roles in it, of the head that is shown.
    most
        Pairs for which the keys attended to are found, half of them the strongest.
    """
    groups = list(_groups(role, one))
    values = _by_passes(score, [_alone(role, group) for group in groups])
    # NaN: the model lets no query of the group see a key of it.
    pairs = [
        Pair(*group, float(value))
        for group, value in zip(groups, values, strict=True)
        if not np.isnan(value)
    ]
    pairs.sort(key=lambda pair: -pair.score)
    half = most // 2
    left_out = range(half, len(pairs) - half) if len(pairs) > most else range(0)
    return tuple(
        pair if rank in left_out else _with_attended(pair, len(one.keyed.input_ids), score)
        for rank, pair in enumerate(pairs)
    )


def _groups(role: Role, one: Encoded) -> Iterator[Group]:
    """Return the queries and keys of each group of a role's sieve in a sequence."""
    sieve = sieve_of(role, one)
    if isinstance(sieve, Pairs):
        for group in np.unique(sieve.group):
            at = sieve.group == group
            yield from _rectangles(sieve.query[at], sieve.key[at])
        return
    mask = _labelled(sieve, role.band) if isinstance(sieve, Labels) else np.asarray(sieve)[0]
    yield from _by_query(*mask.nonzero())


def _rectangles(query: Array, key: Array) -> Iterator[Group]:
    """Return a group as it is if each query has each key, otherwise its queries one by one."""
    queries, keys = _distinct(query), _distinct(key)
    if len(queries) * len(keys) == len(query):
        yield queries, keys
    else:
        yield from _by_query(query, key)


def _by_query(query: Array, key: Array) -> Iterator[Group]:
    for each in _distinct(query):
        yield (each,), _distinct(key[query == each])


def _labelled(sieve: Labels, band: tuple[int, int]) -> Bools:
    """Return the entries of labels in a sequence, bool (query, key)."""
    query, key = sieve.query[0][:, None], sieve.key[0][None, :]
    offset = np.arange(key.size)[None, :] - np.arange(query.size)[:, None]
    within = (offset >= band[0]) & (offset <= band[1])
    return np.asarray((query == key) & (query >= 0) & within)


def _distinct(positions: Array) -> tuple[int, ...]:
    return tuple(np.unique(positions).tolist())


def _alone(role: Role, group: Group) -> Role:
    """Return a role with one group, scored as the role is."""
    name = f"{role.name}#{'+'.join(map(str, group[0]))}>{len(group[1])}"
    sieve = Pairs.from_lists([[group]])
    return replace(role, name=name, sieve=lambda _: sieve, relation=None, lacking=None)


def _with_attended(pair: Pair, n_keys: int, score: Score) -> Pair:
    """Return a pair with the keys its queries attend to most, and the strongest of its own."""
    entries = [_entry(query, key) for query in pair.rows for key in range(n_keys)]
    # A score is attention x visible keys; over the sum of its row: the share of the attention.
    times = np.nan_to_num(_by_passes(score, entries)).reshape(len(pair.rows), n_keys)
    share = (times / np.maximum(times.sum(1, keepdims=True), 1e-30)).mean(0)
    order = np.argsort(-share, kind="stable")
    own = order[np.isin(order, pair.keys)]
    chosen = {*order[:_MOST_KEYS].tolist(), *own[:_MOST_KEYS].tolist()}
    attended = (
        Attended(key, float(share[key])) for key in order.tolist() if key in chosen and share[key]
    )
    return replace(pair, attended=tuple(attended), share=float(share[own].sum()))


def _entry(query: int, key: int) -> Role:
    sieve = Pairs.from_lists([[((query,), (key,))]])
    return Role(f"{query}>{key}", lambda _: sieve)


def _by_passes(score: Score, roles: Many[Role]) -> Array:
    """Return the scores of many roles, some of them in each forward pass."""
    parts: Iterable[Many[Role]] = (
        roles[start : start + _ROLES_OF_A_PASS] for start in range(0, len(roles), _ROLES_OF_A_PASS)
    )
    return np.concatenate([np.zeros(0), *(np.asarray(score(part)) for part in parts)])
