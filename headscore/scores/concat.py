"""Concatenate the scores of several corpora, or of several parts of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headscore.errors import InputError, UsageError
from headscore.options import LOOKS, UNKNOWN
from headscore.scores.align import joined
from headscore.scores.cells import Cells
from headscore.scores.head_scores import LAYOUT, HeadScores
from headscore.scores.parts import Part, gather
from headscore.scores.repeats import REPEATS

_SAME = ("weights", "dtype")  # facts of the model that scores every part


def concat(scores: Mapping[str, HeadScores] | Iterable[HeadScores]) -> HeadScores:
    """Return the scores of all sequences of several corpora, as of one corpus.

    Parameters
    ----------
    scores
        Scores by the same model of the same roles. In a list no two may have a sequence of the
        same id, and documents of one name are one document, as they are after `HeadScores.select`.
        In a mapping the names are put in front of the ids and documents, ``"ewt/doc-1"``.

    Returns
    -------
    HeadScores
        Sequences in the order of the parts, roles in that of the first. What one part lacks, such
        as lengths, the whole lacks. Facts that differ are joined by ``+``.

    Raises
    ------
    UsageError
        There are no scores, or something else.
    InputError
        Models, roles, layers or heads differ; two sequences have one id; or a part is of a run that
        stopped before the end of its corpus, whose looks the whole would not have.

    Examples
    --------
    >>> import headscore as hs
    >>> both = hs.concat({"ewt": hs.load("ewt.hs"), "gum": hs.load("gum.hs")})
    """
    parts = _named(scores)
    first, *others = parts
    for name in others:
        cells = (Cells.of(parts[first]), Cells.of(parts[name]))
        roles = cells[0].places(cells[1], (first, name))
        parts[name] = parts[name].take(np.arange(len(parts[name])), roles)
        _check_same((first, name), parts[first].facts, parts[name].facts)
    _check_ids(parts)
    _check_looks(parts)
    whole = gather(map(Part, _with_the_same_arrays(list(parts.values()))))
    assert whole is not None
    return replace(whole, facts=joined([each.facts for each in parts.values()]))


def _named(scores: Any) -> dict[str, HeadScores]:
    """Return the parts by the names that messages use, with the ids that the whole has."""
    if isinstance(scores, HeadScores) or not isinstance(scores, Iterable):
        raise UsageError(f"scores must be a list or a mapping, got {type(scores).__name__}")
    listed = scores if isinstance(scores, Mapping) else dict(enumerate(scores))
    if not listed:
        raise UsageError("scores must hold at least one HeadScores, got none")
    parts = {}
    for name, each in listed.items():
        if not isinstance(each, HeadScores):
            raise UsageError(f"scores must be HeadScores, got {each!r:.80} for {name!r}")
        if isinstance(scores, Mapping):
            parts[str(name)] = _prefixed(name, each)
        else:
            parts[f"scores[{name}]"] = each
    return parts


def _prefixed(name: Any, scores: HeadScores) -> HeadScores:
    if not isinstance(name, str) or not name:
        raise UsageError(f"names of scores must be texts that are not empty, got {name!r}")
    documents = scores.documents
    return replace(
        scores,
        sequence_ids=tuple(f"{name}/{each}" for each in scores.sequence_ids),
        documents=documents and tuple(each and f"{name}/{each}" for each in documents),
    )


def _check_same(
    names: tuple[str, str], facts: Mapping[str, str], others: Mapping[str, str]
) -> None:
    for fact in _SAME:
        one, other = (each.get(fact, UNKNOWN) for each in (facts, others))
        if one != other and UNKNOWN not in (one, other):
            raise InputError(
                f"{' and '.join(names)} must be scores of the same model, got {fact} {one} and "
                f"{other}"
            )


def _check_ids(parts: Mapping[str, HeadScores]) -> None:
    owner: dict[str, str] = {}
    for name, part in parts.items():
        for each in part.sequence_ids:
            if owner.setdefault(each, name) != name:
                raise InputError(
                    f"{owner[each]} and {name} must have sequences of different ids, got {each!r} "
                    "in both: a mapping from names to scores tells them apart"
                )


def _check_looks(parts: Mapping[str, HeadScores]) -> None:
    for name, part in parts.items():
        if LOOKS in part.facts:
            raise InputError(f"{name} must be scores of a whole run, got those of one with until")


def _with_the_same_arrays(parts: list[HeadScores]) -> list[HeadScores]:
    """Return the parts without the arrays that some of them lack, and without their repeats.

    Those are counted anew, over all parts.
    """
    names = LAYOUT.keys() - {"values", "sequence_ids", "documents"}
    none: dict[str, Any] = {
        name: None for name in names if any(getattr(each, name) is None for each in parts)
    }
    counts = [{name: n for name, n in each.counts.items() if name != REPEATS} for each in parts]
    return [replace(each, counts=n, **none) for each, n in zip(parts, counts, strict=True)]
