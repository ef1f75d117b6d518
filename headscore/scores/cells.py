"""Cells: the roles, layers and heads of scores, and whether those of others are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Ints
from headscore.errors import InputError
from headscore.options import FACTS, ScoreOptions
from headscore.scores.head_scores import HeadScores, heads_of


@dataclass(frozen=True)
class Cells:
    """The roles, layers and heads of scores, without the scores.

    Attributes
    ----------
    roles
        Name of each role.
    shape
        Numbers of layers and of heads.
    heads
        The number of heads of each layer.
    facts
        The entries of the signature.
    """

    roles: tuple[str, ...]
    shape: tuple[int, int]
    heads: tuple[int, ...]
    facts: Mapping[str, str]

    @classmethod
    def of(cls, scores: HeadScores) -> Cells:
        """Return the cells of scores."""
        _, _, layers, heads = scores.values.shape
        return cls(scores.roles, (layers, heads), tuple(heads_of(scores).tolist()), scores.facts)

    def places(self, other: Cells, names: tuple[str, str]) -> Ints:
        """Return the index in `other` of each role; `names` are those of both, for messages.

        Raises
        ------
        InputError
            If roles, layers or heads are not the same, or were scored in another manner.
        """
        found = places(names, "roles", self.roles, other.roles)
        both = " and ".join(names)
        if self.shape != other.shape:
            sizes = [" x ".join(map(str, each.shape)) for each in (self, other)]
            raise InputError(
                f"{both} must have the same layers and heads, got {sizes[0]} and {sizes[1]}"
            )
        if self.heads != other.heads:
            raise InputError(
                f"{both} must have the same heads in each layer, got {list(self.heads)} and "
                f"{list(other.heads)}"
            )
        _check_manner(both, self.facts, other.facts)
        return found


def places(
    names: tuple[str, str], what: str, first: Sequence[str], other: Sequence[str], hint: str = ""
) -> Ints:
    """Return the index in `other` of each name of `first`.

    Raises
    ------
    InputError
        They differ; `hint` says what then can be done.
    """
    # first a b c, other c a b: places 1 2 0, so other[places] is in the order of first.
    place = {name: index for index, name in enumerate(other)}
    known = set(first)
    only_first = [name for name in first if name not in place]
    only_other = [name for name in other if name not in known]
    for only, side in zip((only_first, only_other), names, strict=True):
        if only:
            both = " and ".join(names)
            raise InputError(
                f"{both} must have the same {what}, got {only[0]!r} only in {side}{hint}"
            )
    return np.array([place[name] for name in first])


def _check_manner(both: str, first: Mapping[str, str], other: Mapping[str, str]) -> None:
    """Raise InputError where scores were weighted or masked differently, or of another part."""
    facts = {**FACTS, "part": "part"}
    del facts["control"]  # which changes no score
    for fact, option in facts.items():
        usual = getattr(ScoreOptions, option)  # where the fact is absent
        chosen = [each.get(fact, usual) for each in (first, other)]
        if chosen[0] != chosen[1]:
            raise InputError(
                f"{both} must be scored with the same {option}, got {chosen[0]} and {chosen[1]}"
            )
