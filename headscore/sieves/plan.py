"""SievePlan: the sieves of a batch, compiled into the arrays that kernels read."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headscore.arrays import Array, new_runs, offsets_of, run_numbers
from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding.encoded import Encoded, check_encoded
from headscore.errors import InputError
from headscore.roles.specs import Labels, Pairs, Role, Sieve, check_parsed, parse_roles


@dataclass(frozen=True)
class SievePlan:
    """The sieves of every role in a batch of sequences, whoever sees whom.

    Make one with `compile` or `from_masks`; what depends on visibility (weights, largest possible
    scores) is worked out per visibility by `arrays` and kept.

    Attributes
    ----------
    names
        The roles, in order.
    lengths
        int32 (batch,), real tokens of each sequence.
    tokens
        Padded length T.
    times_entropy
        uint8 (role,).
    label_role, query_label, key_label, band
        Label roles, as in `PlanArrays`.
    listed
        bool (role,): its sieve lists pairs; that of a drawn mask does not, though it has entries.
    entry_role, entry_sequence, entry_group, entry_query, entry_key
        int64 (entry,), the entries of pair roles, sorted by these five in this order.
    """

    names: tuple[str, ...]
    lengths: Array
    tokens: int
    times_entropy: Array
    label_role: Array
    query_label: Array
    key_label: Array
    band: Array
    listed: Array
    entry_role: Array
    entry_sequence: Array
    entry_group: Array
    entry_query: Array
    entry_key: Array
    _cache: dict[Visibility, PlanArrays] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return len(self.lengths)

    @classmethod
    def compile(cls, roles: str | Iterable[str | Role], encoded: Encoded) -> SievePlan:
        """Compile the sieves of some roles for a batch.

        Parameters
        ----------
        roles
            Specs such as "paper" or "local:2,nsubj", or `Role` objects.
        encoded
            The batch.

        Raises
        ------
        UsageError
            A role that is not known.
        InputError
            A relation asked for by name of a batch without a parse; a role of your own whose sieve
            has the wrong shape or points outside its sequence.
        """
        check_encoded(encoded)
        parsed = parse_roles(roles)
        check_parsed(parsed, encoded)
        return compiled(parsed, encoded)

    @classmethod
    def from_masks(
        cls, masks: Any, lengths: Any = None, *, names: Many[str] | None = None
    ) -> SievePlan:
        """Compile sieves drawn by hand.

        Parameters
        ----------
        masks
            bool (batch, role, T, T): query i looks at key j. Rows without a True take no part.
        lengths
            (batch,) real tokens; entries beyond them are ignored. None: all T.
        names
            Names of the roles; None: mask0, mask1, ...

        Raises
        ------
        InputError
            Wrong shape, dtype, lengths or number of names.
        """
        drawn = np.asarray(masks)
        if drawn.ndim != 4 or drawn.dtype != np.bool_ or drawn.shape[2] != drawn.shape[3]:
            raise InputError(
                f"masks must be bool (batch, role, T, T), got {drawn.dtype} {drawn.shape}"
            )
        batch, roles, tokens, _ = drawn.shape
        chosen = tuple(names) if names is not None else tuple(f"mask{r}" for r in range(roles))
        if len(chosen) != roles or len(set(chosen)) != roles:
            raise InputError(f"names must be {roles} different names, got {list(chosen)}")
        nothing = np.zeros((batch, tokens), np.int64)
        checked = Encoded.from_arrays(nothing, lengths).lengths
        return _assemble(
            chosen,
            checked,
            tokens,
            [False] * roles,
            [(0, 0)] * roles,
            [drawn[:, r] for r in range(roles)],
        )

    def arrays(self, visibility: Visibility) -> PlanArrays:
        """Return the kernels' arrays under a visibility (computed once for each)."""
        if visibility not in self._cache:
            self._cache[visibility] = _weigh(self, visibility)
        return self._cache[visibility]


def compiled(roles: tuple[Role, ...], encoded: Encoded) -> SievePlan:
    """Compile the sieves of some roles for a batch, which may be one without a parse."""
    return _assemble(
        tuple(role.name for role in roles),
        encoded.lengths,
        encoded.tokens,
        [role.times_entropy for role in roles],
        [role.band for role in roles],
        [role.sieve(encoded) for role in roles],
    )


def visible_range(lengths: Array, tokens: int, visibility: Visibility) -> tuple[Array, Array]:
    """Return V(i) = [begin, end) of every query: two int64 (batch, T), empty for padding."""
    row = np.arange(tokens)
    end = np.repeat(np.asarray(lengths, np.int64)[:, None], tokens, axis=1)
    begin = np.zeros_like(end)
    real = row < end
    if visibility.causal:
        end = np.minimum(end, row + 1)
    if visibility.window is not None:
        reach = visibility.window - 1 if visibility.causal else visibility.window
        begin = np.maximum(begin, row - reach)
        end = np.minimum(end, row + visibility.window + 1)
    return begin, np.where(real, end, begin)


def _assemble(
    names: tuple[str, ...],
    lengths: Array,
    tokens: int,
    times_entropy: list[bool],
    bands: list[tuple[int, int]],
    sieves: list[Sieve],
) -> SievePlan:
    shape = (len(lengths), tokens)
    labels: list[tuple[int, Labels]] = []
    pairs: list[tuple[int, Pairs]] = []
    for number, (name, sieve) in enumerate(zip(names, sieves, strict=True)):
        if isinstance(sieve, Labels):
            labels.append((number, _checked_labels(name, sieve, lengths, shape)))
        else:
            entries = sieve if isinstance(sieve, Pairs) else _from_mask(name, sieve, lengths, shape)
            pairs.append((number, _checked_pairs(name, entries, lengths)))
    return SievePlan(
        names,
        np.ascontiguousarray(lengths, np.int32),
        tokens,
        np.array(times_entropy, np.uint8),
        np.array([number for number, _ in labels], np.int32),
        _stack([each.query for _, each in labels], shape),
        _stack([each.key for _, each in labels], shape),
        np.array([bands[number] for number, _ in labels], np.int32).reshape(-1, 2),
        np.array([isinstance(sieve, Pairs) for sieve in sieves], bool),
        *_sorted_entries(pairs),
    )


def _stack(grids: list[Array], shape: tuple[int, int]) -> Array:
    return np.array(grids, np.int32).reshape(len(grids), *shape)


def _checked_labels(name: str, labels: Labels, lengths: Array, shape: tuple[int, int]) -> Labels:
    for side, grid in (("query", labels.query), ("key", labels.key)):
        if np.shape(grid) != shape:
            raise InputError(
                f"role {name!r} must give {side} labels of shape {shape}, got {np.shape(grid)}"
            )
        _check_integers(name, f"{side} labels", grid)
    real = np.arange(shape[1]) < np.asarray(lengths)[:, None]
    return Labels(np.where(real, labels.query, -1), np.where(real, labels.key, -1))


def _check_integers(name: str, what: str, values: Array) -> None:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InputError(f"role {name!r} must give {what} as integers, got {array.dtype}")
    for extreme in (array.min(initial=0), array.max(initial=0)):
        if not -(2**31) <= extreme < 2**31:
            raise InputError(f"role {name!r} must give {what} below 2**31, got {extreme}")


def _from_mask(name: str, sieve: Array, lengths: Array, shape: tuple[int, int]) -> Pairs:
    """Entries of a drawn mask: one group a sequence, so that the score is a mean over rows."""
    mask = np.asarray(sieve)
    wanted = (*shape, shape[1])
    if mask.shape != wanted or mask.dtype != np.bool_:
        raise InputError(
            f"role {name!r} must give Labels, Pairs or a bool mask of shape {wanted}, "
            f"got {mask.dtype} {mask.shape}"
        )
    sequence, query, key = mask.nonzero()
    real = np.maximum(query, key) < np.asarray(lengths)[sequence]
    sequence = sequence[real]
    return Pairs(sequence, np.zeros_like(sequence), query[real], key[real])


def _checked_pairs(name: str, pairs: Pairs, lengths: Array) -> Pairs:
    columns = [np.asarray(c) for c in (pairs.sequence, pairs.group, pairs.query, pairs.key)]
    pairs = Pairs(*columns)
    shapes = [np.shape(column) for column in columns]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise InputError(
            f"role {name!r} must give sequence, group, query and key of one length, got {shapes}"
        )
    if not len(pairs.query):
        return pairs
    for column in columns:
        _check_integers(name, "its pairs", column)
    inside = (pairs.sequence >= 0) & (pairs.sequence < len(lengths))
    limit = np.asarray(lengths)[np.where(inside, pairs.sequence, 0)]
    for position in (pairs.query, pairs.key):
        inside = inside & (position >= 0) & (position < limit)
    if not inside.all():
        bad = np.flatnonzero(~inside)[0]
        raise InputError(
            f"role {name!r} must list positions inside their sequence, got query "
            f"{pairs.query[bad]}, key {pairs.key[bad]} in sequence {pairs.sequence[bad]}"
        )
    return pairs


def _sorted_entries(pairs: list[tuple[int, Pairs]]) -> tuple[Array, ...]:
    """Return role, sequence, group, query, key of all entries, sorted and without repeats."""
    rows = [
        np.stack([np.full(len(p.query), number), p.sequence, p.group, p.query, p.key])
        for number, p in pairs
    ]
    entries = np.concatenate([np.zeros((5, 0), np.int64), *rows], axis=1).astype(np.int64)
    entries = entries[:, np.lexsort(entries[::-1])]
    return tuple(np.ascontiguousarray(column) for column in entries[:, new_runs(*entries)])


def _weigh(plan: SievePlan, visibility: Visibility) -> PlanArrays:
    begin, end = visible_range(plan.lengths, plan.tokens, visibility)
    n_visible = end - begin
    shape = (plan.batch, len(plan.names), plan.tokens)
    token_part = np.zeros(shape, bool)
    best = np.zeros(shape)  # the most that each row can add to the score
    row_weight = np.zeros((len(plan.label_role), plan.batch, plan.tokens), np.float32)
    for number, role in enumerate(plan.label_role.tolist()):
        query, key = plan.query_label[number], plan.key_label[number]
        band = plan.band[number]
        n_sieve = count_keys(query.astype(np.int64), key.astype(np.int64), band, begin, end)
        weight = _label_weights(n_sieve, n_visible)
        row_weight[number] = weight
        token_part[:, role] = n_sieve > 0
        entropic = bool(plan.times_entropy[role])
        best[:, role] = weight * (_best_with_entropy(n_sieve, n_visible) if entropic else 1.0)
    pair_weight = _pair_weights(plan, begin, end)
    _note_pairs(plan, pair_weight, n_visible, token_part, best)
    takes_part = np.asarray(token_part.any(-1))
    order = np.lexsort((plan.entry_role, plan.entry_key, plan.entry_query, plan.entry_sequence))
    row = (plan.entry_sequence * plan.tokens + plan.entry_query)[order]
    return PlanArrays(
        plan.tokens,
        plan.lengths,
        plan.times_entropy,
        plan.label_role,
        plan.query_label,
        plan.key_label,
        plan.band,
        row_weight,
        offsets_of(np.bincount(row, minlength=plan.batch * plan.tokens)),
        plan.entry_role[order].astype(np.int32),
        plan.entry_key[order].astype(np.int32),
        pair_weight[order].astype(np.float32),
        takes_part,
        token_part,
        np.where(takes_part, best.sum(-1), np.nan).astype(np.float32),
    )


def count_keys(query: Array, key: Array, band: Array, begin: Array, end: Array) -> Array:
    """Count for each query the keys with its label, within the band and the visible keys.

    Keys are numbered by (sequence, label, position); those of one label in an interval are then
    neighbours, and two binary searches count them.

    Parameters
    ----------
    query, key
        int64 (batch, T), labels; -1 matches nothing.
    band
        (2,), the lowest and highest j - i.
    begin, end
        int64 (batch, T), as `visible_range` returns them.

    Returns
    -------
    int64 (batch, T)
    """
    batch, tokens = query.shape
    row = np.arange(tokens)
    low, high = band.tolist()
    first = np.maximum(begin, row + low)
    last = np.maximum(first, np.minimum(end, row + high + 1))
    labels = max(int(key.max(initial=0)), int(query.max(initial=0))) + 1
    sequence = np.arange(batch)[:, None]
    stride = tokens + 1

    def place(label: Array, position: Array) -> Array:
        return np.asarray((sequence * labels + label) * stride + position)

    keys = np.sort(place(key, np.broadcast_to(row, key.shape))[key >= 0])
    found = np.searchsorted(keys, place(query, last)) - np.searchsorted(keys, place(query, first))
    return np.asarray(np.where(query >= 0, found, 0))


def _label_weights(n_sieve: Array, n_visible: Array) -> Array:
    rows = np.maximum((n_sieve > 0).sum(1, keepdims=True), 1)
    weight = n_visible / (np.maximum(n_sieve, 1) * rows)
    return np.where(n_sieve > 0, weight, 0.0)


def _pair_weights(plan: SievePlan, begin: Array, end: Array) -> Array:
    """Return float64 (entry,): |V(i)| / (keys of the row * rows of the group * groups)."""
    if not len(plan.entry_key):
        return np.zeros(0)
    at = (plan.entry_sequence, plan.entry_query)
    seen = (plan.entry_key >= begin[at]) & (plan.entry_key < end[at])
    score = plan.entry_role, plan.entry_sequence
    group = (*score, plan.entry_group)
    _, keys = _within((*group, plan.entry_query), seen)
    _, rows = _within(group, _firsts((*group, plan.entry_query), seen))
    _, groups = _within(score, _firsts(group, seen))
    weight = (end - begin)[at] / np.maximum(keys * rows * groups, 1)
    return np.asarray(np.where(seen, weight, 0.0))


def _within(columns: tuple[Array, ...], counted: Array) -> tuple[Array, Array]:
    """Return the number of each entry's run of equal columns, and how much the run holds."""
    run = run_numbers(*columns)
    return run, np.bincount(run, weights=counted)[run]


def _firsts(columns: tuple[Array, ...], counted: Array) -> Array:
    """Mark the first counted entry of every run of equal columns."""
    run, _ = _within(columns, counted)
    before = np.concatenate([[0], counted.cumsum()])
    start = np.searchsorted(run, run)
    return np.asarray(counted & (before[:-1] == before[start]))


def _note_pairs(
    plan: SievePlan, weight: Array, n_visible: Array, token_part: Array, best: Array
) -> None:
    """Enter the pair roles' rows: who takes part, and the most a row can add.

    A row adds most when all its attention lies on the key of the largest total weight. With the
    entropy factor the largest entropy, ln |V(i)|, bounds it.
    """
    if not len(weight):
        return
    role, sequence, query = plan.entry_role, plan.entry_sequence, plan.entry_query
    np.logical_or.at(token_part, (sequence, role, query), weight > 0)
    place = np.ravel_multi_index(
        (role, sequence, query, plan.entry_key),
        (len(plan.names), plan.batch, plan.tokens, plan.tokens),
    )
    cells, cell = np.unique(place, return_inverse=True)
    total = np.bincount(cell, weights=weight)
    row = np.unravel_index(cells, (len(plan.names), plan.batch, plan.tokens, plan.tokens))
    entropic = plan.times_entropy[row[0]].astype(bool)
    factor = np.where(entropic, np.log(np.maximum(n_visible[row[1], row[2]], 1)), 1.0)
    np.maximum.at(best, (row[1], row[0], row[2]), total * factor)


def _best_with_entropy(n_sieve: Array, n_visible: Array) -> Array:
    """Return the largest m * H over rows with the share m of attention in the sieve.

    For a given m the entropy is largest when attention is uniform inside and outside:
    H(m) = -m ln(m/s) - (1-m) ln((1-m)/(n-s)). m H(m) has one maximum, since H is concave;
    bisection on the sign of its derivative finds it.
    """
    sizes, where = np.unique(
        np.stack([n_sieve.ravel(), n_visible.ravel()]), axis=1, return_inverse=True
    )
    inside = np.maximum(sizes[0], 1).astype(float)
    outside = np.maximum(sizes[1] - sizes[0], 0).astype(float)
    some = outside > 0
    rest = np.where(some, outside, 1.0)
    low, high = np.full(len(inside), 1e-9), np.full(len(inside), 1 - 1e-12)
    for _ in range(60):
        m = (low + high) / 2
        entropy = -m * np.log(m / inside) - (1 - m) * np.log((1 - m) / rest)
        slope = entropy + m * (np.log((1 - m) / m) + np.log(inside / rest))
        low, high = np.where(slope > 0, m, low), np.where(slope > 0, high, m)
    m = (low + high) / 2
    entropy = -m * np.log(m / inside) - (1 - m) * np.log((1 - m) / rest)
    best = np.where(some, m * entropy, np.log(inside))
    return np.asarray(best[where.reshape(n_sieve.shape)])
