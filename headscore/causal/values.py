"""EffectValues: what every sequence loses in every arm of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headscore.arrays import Floats, Ints

KNOCKOUT, PLACEBO, KEEP, HEADS, MATCHED = "knockout", "placebo", "keep", "heads", "matched"
ARMS = (KNOCKOUT, PLACEBO, KEEP, HEADS, MATCHED)


@dataclass(frozen=True, eq=False, kw_only=True)
class ArmValues:
    """What changes in one arm of one role, for each sequence; arrays (sequence,).

    Attributes
    ----------
    role
        Name of the role.
    arm
        One of `ARMS`.
    number
        Number of the set of heads from 0 on for `MATCHED`, else 0.
    heads
        (layer, head) of every head that is changed.
    delta
        The metric of the arm minus that of the clean pass; NaN where there is nothing to predict.
    at_rows, elsewhere
        The same over the tokens in whose row the role has a sieve, and over all others; NaN where
        there is none or the metric is not one of tokens.
    divergence
        How far the predictions of the arm lie from those of the clean pass, 0 where they are the
        same; NaN where the metric has none.
    edges
        Entries that each head loses (in `KEEP`: that each head keeps); 0 for whole heads.
    same_offset
        Share of the edges of `PLACEBO` that lie at an offset of the role's; NaN for other arms.
    norm_ratio
        Mean output norm of the heads of `MATCHED` over that of the heads of the role; else NaN.
    """

    role: str
    arm: str
    number: int
    heads: tuple[tuple[int, int], ...]
    delta: Floats
    at_rows: Floats
    elsewhere: Floats
    divergence: Floats
    edges: Ints
    same_offset: float
    norm_ratio: float


@dataclass(frozen=True, eq=False, kw_only=True)
class EffectValues:
    """The results of an experiment.

    Attributes
    ----------
    arms
        Every arm of every role.
    roles
        Names of the roles that were tried.
    not_tried
        Requested roles or arms that could not be tried, with the reason: keys "role" or
        "role: arm".
    clean
        The metric of the clean pass, (sequence,).
    unit
        Of the metric, such as "nats a token".
    sequence_ids, documents
        As in `headscore.scores.head_scores.HeadScores`.
    facts, counts
        Entries of the signature, and what was counted.
    """

    arms: tuple[ArmValues, ...]
    roles: tuple[str, ...]
    clean: Floats
    unit: str
    sequence_ids: tuple[str, ...]
    documents: tuple[str | None, ...] | None
    not_tried: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
