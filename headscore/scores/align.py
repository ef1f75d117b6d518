"""Align the scores of several checkpoints by sequence id and role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Ints
from headscore.errors import InputError, UsageError
from headscore.scores.cells import Cells, places
from headscore.scores.head_scores import HeadScores
from headscore.scores.matched_rows import MATCHED

_UNPAIRED = "; paired=False (--unpaired) compares scores of different sequences"
_NO_ROWS: dict[str, Any] = dict.fromkeys(MATCHED)
Checkpoints = HeadScores | Sequence[HeadScores]


def pair(before: Checkpoints, after: Checkpoints) -> tuple[list[HeadScores], list[HeadScores]]:
    """Check that all scores are of the same sequences, roles, layers and heads, and align them.

    Sequences are paired by id, and their tokens must be the same wherever their hashes are known.
    Where all are in the same order the hash of the corpus, which covers segments and word pairs,
    must be the same too.

    Returns
    -------
    two lists of HeadScores
        The checkpoints of each side; sequences and roles in the order of the first before.

    Raises
    ------
    UsageError
        If a side is not HeadScores or a list of at least one.
    InputError
        If scores do not fit together; names the first role or sequence that differs.
    """
    named = {**_named("before", before), **_named("after", after)}
    # One dict holds the checkpoints of both sides in order, the first `split` of them before.
    split = len(_named("before", before))
    checkpoints = list(aligned(named, _UNPAIRED).values())
    return checkpoints[:split], checkpoints[split:]


def two_samples(
    before: Checkpoints, after: Checkpoints
) -> tuple[list[HeadScores], list[HeadScores]]:
    """Align the checkpoints of each side, and the roles of both; raise as `pair`.

    The sequences of the two sides may be any.
    """
    first, others = (
        list(aligned(_named(*side)).values()) for side in (("before", before), ("after", after))
    )
    roles = Cells.of(first[0]).places(Cells.of(others[0]), ("before", "after"))
    return first, [each.take(np.arange(len(each)), roles) for each in others]


def aligned(named: Mapping[str, HeadScores], hint: str = "") -> dict[str, HeadScores]:
    """Align scores by name as `pair`, with sequences and roles in the order of the first.

    `hint` says what can be done where sequences differ.
    """
    first, *others = named
    return {
        first: named[first],
        **{name: _aligned((first, name), named[first], named[name], hint) for name in others},
    }


def average(checkpoints: Sequence[HeadScores]) -> HeadScores:
    """Return the mean scores of some aligned checkpoints on each sequence.

    A sequence takes part in a role where it does in all of them. Facts that differ are joined
    by ``+``. Sums are the rounded means of those of the checkpoints; the rows of the matched
    control are dropped, as each checkpoint has others.
    """
    if len(checkpoints) == 1:
        return checkpoints[0]
    first = checkpoints[0]
    possible = [each.attainable for each in checkpoints if each.attainable is not None]
    excess = [each.excess for each in checkpoints if each.excess is not None]
    sums = [each.position_sums for each in checkpoints if each.position_sums is not None]
    return replace(
        first,
        values=_mean([each.values for each in checkpoints]),
        attainable=_mean(possible) if len(possible) == len(checkpoints) else None,
        excess=_mean(excess) if len(excess) == len(checkpoints) else None,
        position_sums=_mean_sums(sums) if len(sums) == len(checkpoints) else None,
        facts=joined([each.facts for each in checkpoints]),
        **_NO_ROWS,
    )


def documents_of(checkpoints: Sequence[HeadScores]) -> tuple[str | None, ...] | None:
    """Return the document of each sequence that any of some aligned checkpoints knows.

    Raises
    ------
    InputError
        If two checkpoints name different documents for one sequence.
    """
    found: list[str | None] = [None] * len(checkpoints[0].sequence_ids)
    for scores in checkpoints:
        for index, document in enumerate(scores.documents or ()):
            if document is None:
                continue
            if found[index] not in (None, document):
                raise InputError(
                    "scores must name the same document for a sequence, got "
                    f"{found[index]!r} and {document!r} for {scores.sequence_ids[index]!r}"
                )
            found[index] = document
    return tuple(found) if any(found) else None


def tokens_known(checkpoints: Sequence[HeadScores]) -> bool:
    """Return whether every checkpoint has token hashes, so that they were compared."""
    return all(each.tokens is not None for each in checkpoints)


def _named(side: str, scores: Checkpoints) -> dict[str, HeadScores]:
    """Return each checkpoint under the name that error messages use."""
    several = not isinstance(scores, HeadScores)
    checkpoints = list(scores) if several and isinstance(scores, Sequence) else [scores]
    if not checkpoints:
        raise UsageError(f"{side} must hold at least one HeadScores, got none")
    named = {}
    for number, each in enumerate(checkpoints):
        if not isinstance(each, HeadScores):
            raise UsageError(f"{side} must be HeadScores or a list of them, got {each!r:.80}")
        named[f"{side}[{number}]" if len(checkpoints) > 1 else side] = each
    return named


def _aligned(names: tuple[str, str], first: HeadScores, other: HeadScores, hint: str) -> HeadScores:
    roles = Cells.of(first).places(Cells.of(other), names)
    sequences = places(names, "sequences", first.sequence_ids, other.sequence_ids, hint)
    other = other.take(sequences, roles)
    both = " and ".join(names)
    _check_tokens(both, first, other)
    corpora = [each.facts.get("corpus") for each in (first, other)]
    if _in_order(sequences) and None not in corpora and corpora[0] != corpora[1]:
        raise InputError(
            f"{both} must be scored on the same corpus, segments and word pairs included, "
            f"got the corpus hashes {corpora[0]} and {corpora[1]}"
        )
    return other


def _in_order(places: Ints) -> bool:
    return bool((places == np.arange(len(places))).all())


def _check_tokens(both: str, first: HeadScores, other: HeadScores) -> None:
    if first.tokens is None or other.tokens is None:
        return
    differing = np.flatnonzero(first.tokens != other.tokens)
    if len(differing):
        raise InputError(
            f"{both} must have the same tokens, got others for sequence "
            f"{first.sequence_ids[differing[0]]!r} (another text, tokenizer or max_length; "
            f"{len(differing)} of {len(first.tokens)} differ)"
        )


def _mean(arrays: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    mean = np.empty_like(arrays[0])
    for role in range(mean.shape[1]):  # role by role: bounds the memory of the float64 copies
        with np.errstate(invalid="ignore"):
            mean[:, role] = sum(array[:, role].astype(np.float64) for array in arrays) / len(arrays)
    return mean


def _mean_sums(arrays: Sequence[Ints]) -> Ints:
    # Sums stay below 2**53, so that their float64 mean is rounded once.
    return np.asarray(np.rint(np.mean(arrays, axis=0)).astype(np.int64))


def joined(facts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Join facts: the texts of an entry that differ are joined by ``+``."""
    keys = dict.fromkeys(key for each in facts for key in each)
    return {
        key: "+".join(dict.fromkeys(each[key] for each in facts if key in each)) for key in keys
    }
