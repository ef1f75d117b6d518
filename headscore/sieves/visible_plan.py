"""VisiblePlan: a batch under one visibility, with the weights of every entry of its sieves.

With V(i) the visible keys of query i and S(i) the visible keys in its sieve, a token score is

    r(i) = |V(i)| / |S(i)| * (attention of i on S(i))

and a sequence score the mean of r(i) over the rows with a sieve (Pande et al. 2021, arXiv
2101.09115). A kernel therefore sums attention times a weight. A label role has one weight per row:

    |V(i)| / (|S(i)| * rows taking part)

and a pair role one weight per entry. The score of a group, such as a word pair, is the mean over
its rows of the mean over their keys, and the score of a sequence the mean over its groups:

    group 0: rows 4, 5   keys 7, 8      weight of (4, 7): |V(4)| / (2 keys * 2 rows * 3 groups)
    group 1: row  6      key  2         weight of (6, 2): |V(6)| / (1 key * 1 row * 3 groups)
    group 2: row  9      keys 2, 3, 4

Keys that are not visible do not count as keys, and a row or group without a visible key does not
count as a row or group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from headscore.arrays import Array
from headscore.backends.contract import PlanArrays, Visibility
from headscore.sieves._planning import plan_batch
from headscore.sieves.comparison import Comparison
from headscore.sieves.compile import CompiledSieves
from headscore.sieves.matching import Labelled, MatchedRows, match


class Texts(NamedTuple):
    """What position control needs of the real tokens of a batch, one sequence after the other.

    Attributes
    ----------
    text
        int32 (token,): the text of the token, -1 for special tokens.
    arc_offsets, arc_keys
        int64 (token + 1,) and int32: the keys to which an arc of the parse leads, in either
        direction.
    """

    text: Array
    arc_offsets: Array
    arc_keys: Array


@dataclass(frozen=True, eq=False)
class VisiblePlan:
    """Everything about a batch under one visibility.

    Attributes
    ----------
    arrays
        What kernels read: the roles, then the further columns of position control, then those of
        the matched control.
        `token_takes_part` covers the roles only: for all columns it would be of size T x T.
    comparison
        What the word pairs are compared with.
    overlap
        int64 (batch, role, role), the entries that the sieves of two roles have in common. An
        entry, a query with a visible key, counts once for a role even where several of its groups
        contain it; on the diagonal are all entries of a role.
    invisible
        bool (batch, role), there is a sieve but no visible entry in it, such as a relation whose
        pairs all point to later tokens, under causal attention.
    left_out
        Visible word pairs that have no comparison, a pair of several roles once for each.
    width
        Columns of the roles and of position control.
    matched
        The rows of the matched control; None: the batch has no controls.
    """

    arrays: PlanArrays
    comparison: Comparison
    overlap: Array
    invisible: Array
    left_out: int
    width: int
    matched: MatchedRows | None = None


def plan_under(
    sieves: CompiledSieves, texts: Texts | None, labelled: Labelled | None, visibility: Visibility
) -> VisiblePlan:
    """Compute the plan of a batch under a visibility.

    Parameters
    ----------
    sieves
        The sieves of the roles.
    texts
        Of the same batch, whose keys are its queries; None: word pairs are not compared, and there
        are no further columns.
    labelled
        The controls of the batch; None: there are none.
    visibility
        Which keys a query may attend to.
    """
    found, comparison, further, left_out = plan_batch(sieves, texts, visibility, True)
    overlap, invisible = found.pop("overlap"), found.pop("invisible")
    arrays, matched = _arrays(sieves, found, further), None
    width = len(arrays.times_entropy)
    if labelled is not None:
        matched, arrays = match(sieves, labelled, visibility, arrays)
    return VisiblePlan(
        arrays=arrays,
        comparison=Comparison(**comparison),
        overlap=overlap,
        invisible=invisible,
        left_out=left_out,
        width=width,
        matched=matched,
    )


def role_arrays(sieves: CompiledSieves, visibility: Visibility) -> PlanArrays:
    """Compute what kernels read of the roles alone."""
    found, _, further, _ = plan_batch(sieves, None, visibility, False)
    return _arrays(sieves, found, further)


def _arrays(sieves: CompiledSieves, found: dict[str, Array], further: int) -> PlanArrays:
    return PlanArrays(
        tokens=sieves.tokens,
        key_tokens=sieves.key_tokens,
        lengths=sieves.lengths,
        key_lengths=sieves.key_lengths,
        times_entropy=_widened(sieves.times_entropy, further, 0),
        label_role=sieves.label_role,
        query_label=sieves.query_label,
        key_label=sieves.key_label,
        band=sieves.band,
        row_weight=found["row_weight"],
        pair_offsets=found["pair_offsets"],
        pair_role=found["pair_role"],
        pair_key=found["pair_key"],
        pair_weight=found["pair_weight"],
        takes_part=_widened(found["takes_part"], further, True),
        token_takes_part=found["token_takes_part"],
        attainable=_widened(found["attainable"], further, np.nan),
    )


def _widened(of_roles: Array, further: int, fill: float) -> Array:
    """Append the further columns, filled with `fill`, to the last axis."""
    roles = of_roles.shape[-1]
    array = np.full((*of_roles.shape[:-1], roles + further), fill, of_roles.dtype)
    array[..., :roles] = of_roles
    return array
