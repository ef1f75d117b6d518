"""The backend interface: plan arrays (csrc/sieve_plan.h), visibility and raw results.

A backend is a module with ``why_not() -> str | None`` and two functions that are called by
`headscore.backends` after it has checked all shapes::

    scores_attention(attention__bhqk, arrays, visibility, *, tolerance, per_token) -> Raw
    scores_qk(query__bhqd, key__bhkd, arrays, visibility,
              *, scale, softcap, bias__bhqk, value__bhkd, per_token) -> Raw

Both accept

- float32, bfloat16, float16 and float64 tensors of any strides, on the backend's device;
- any number of sequences, tokens, heads and roles above 0, and any head size; key heads that divide
  the query heads (query head h reads key head ``h // (Hq / Hkv)``);
- any visibility; where the keys are of another text than the queries, that of all keys;
- any padding: rows from ``lengths`` and keys from ``key_lengths`` on affect no result, may be NaN;
- hundreds of roles, most of them pair roles of a few entries: the cost of pair entries is
  proportional to their number, not to the number of roles. A row may have no entry or thousands;
- several entries of one row and role, and several with the same key.

``scores_qk`` also takes ``softcap`` (None, or logits become ``softcap * tanh(logit / softcap)``)
and then ``bias__bhqk`` (None, or a floating tensor (1 or batch, Hq, Tq, Tk) of any strides, also 0,
added to the logits; a key with bias -inf gets no attention but stays visible), and ``value__bhkd``
(None, or (batch, Hkv, Tk, d_v) of any strides: then `Raw.output` is the attention output, in the
dtype of the values, 0 at padded rows; the values of padding may be NaN). Values are passed only
where the backend's module has ``ATTENDS = True``: there one pass for scores and output is cheaper
than a separate attention call. A backend with ``ATTENDS = False`` may return no output.

A backend that reads other arrays than those of the plan, on its device, also has::

    derive(arrays) -> dict of arrays            on the host, also ahead and in another process
    adopt(arrays, device, columns) -> ...       uses these, copied to the device, for `arrays`

A backend with ``CONTROLS = True`` compares word pairs with position on its device, by
``control_position(comparison, scores__bch, counted__b, roles)``, see the function of that name in
`headscore.backends`; with ``CONTROLS = False`` the host does.

Both return `Raw`: fault bits instead of errors, for every head that has a faulty real row (from
queries and keys only `NOT_FINITE`, which includes rows without any attention). Scores are
bit-identical from run to run, for any number of threads, and for a sequence alone or in any batch.

Letters of axes, here and everywhere: s sequence of a corpus, b sequence of a batch, l layer,
h head, r role, q query token, k key token, t token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from headscore.arrays import Array

NOT_FINITE, NEGATIVE, SUM_NOT_ONE = 1, 2, 4  # bits of a fault, as in csrc/sieve_plan.h


class Visibility(NamedTuple):
    """Which keys a query may attend to, padding always excepted.

    Attributes
    ----------
    causal
        Keys after the query are not visible.
    window
        Causal: keys ``j > i - window`` are visible; otherwise ``|i - j| <= window``. None: no
        window.
    """

    causal: bool = False
    window: int | None = None


@dataclass(frozen=True, eq=False)
class PlanArrays:
    """The sieves of a batch under one visibility, as kernels read them.

    Attributes
    ----------
    tokens, key_tokens
        Padded lengths Tq and Tk of the queries and keys: the same T but in cross-attention.
    lengths, key_lengths
        int32 (batch,), real queries and keys of each sequence.
    times_entropy
        uint8 (role,), 1 where each row's value is multiplied by the row's entropy.
    label_role
        int32 (label role,), number of the role. Query i looks at the visible keys j with
        ``key_label[j] == query_label[i]`` (-1 matches nothing) and ``lo <= j - i <= hi``.
    query_label, key_label
        int32 (label role, batch, Tq) and (label role, batch, Tk).
    band
        int32 (label role, 2): lo, hi.
    row_weight
        float32 (label role, batch, Tq): |V(i)| / (|S(i)| * rows taking part); 0 takes no part.
    pair_offsets
        int64 (batch * Tq + 1,): entries of row (b, i) in the three arrays below.
    pair_role, pair_key
        int32 (entry,), sorted by (sequence, query, key).
    pair_weight
        float32 (entry,); 0 where the key is not visible.
    takes_part
        bool (batch, role): some token of the sequence has a sieve.
    token_takes_part
        bool (batch, role, Tq): the token has a sieve.
    attainable
        float32 (batch, role): largest possible score; NaN where the sequence takes no part.
    """

    tokens: int
    key_tokens: int
    lengths: Array
    key_lengths: Array
    times_entropy: Array
    label_role: Array
    query_label: Array
    key_label: Array
    band: Array
    row_weight: Array
    pair_offsets: Array
    pair_role: Array
    pair_key: Array
    pair_weight: Array
    takes_part: Array
    token_takes_part: Array
    attainable: Array


class Plan(Protocol):
    """The part of a sieve plan that `headscore.backends` uses."""

    @property
    def batch(self) -> int: ...  # noqa: D102

    @property
    def tokens(self) -> int: ...  # noqa: D102

    @property
    def key_tokens(self) -> int: ...  # noqa: D102

    @property
    def crosses(self) -> bool: ...  # noqa: D102

    def arrays(self, visibility: Visibility) -> PlanArrays: ...  # noqa: D102


class Raw(NamedTuple):
    """The result of a backend, with 0, not NaN, for sequences that take no part.

    Attributes
    ----------
    scores
        float32 (batch, role, head).
    token_values
        float32 (batch, role, head, Tq), each row's share of the score; None without `per_token`.
    faults
        uint8 (batch, head), bits of `NOT_FINITE`, `NEGATIVE`, `SUM_NOT_ONE`.
    output
        (batch, Tq, Hq, d_v), attention times values; None without values.
    """

    scores: torch.Tensor
    token_values: torch.Tensor | None
    faults: torch.Tensor
    output: torch.Tensor | None = None
