"""Arms: what is changed in each pass of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from headscore.arrays import Floats
from headscore.causal.labelled import Labelled
from headscore.causal.matched import matched_sets
from headscore.causal.selection import Heads
from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO, ArmValues
from headscore.model.route import Route
from headscore.options import ValidateOptions
from headscore.roles.role import Role

OF_EDGES = (KNOCKOUT, PLACEBO, KEEP)
# Why an arm cannot be tried.
_RETURNED = "the model shows its attention, but not the queries and keys that make it"
_FEW_HEADS = "every head of its layers has the role"


@dataclass(frozen=True)
class Arm:
    """One arm: attributes as in `headscore.causal.values.ArmValues`."""

    role: Role
    name: str
    number: int
    heads: Heads
    norm_ratio: float = float("nan")

    def __str__(self) -> str:
        number = f" {self.number}" if self.name == MATCHED else ""
        return f"{self.role.name}: {self.name}{number}"

    def is_of(self, values: ArmValues) -> bool:
        """Return whether values are those of this arm."""
        mine = self.role.name, self.name, self.number, self.heads
        return mine == (values.role, values.arm, values.number, values.heads)

    @property
    def first(self) -> int:
        """The first layer that is changed."""
        return min(layer for layer, _ in self.heads)


class Finished(NamedTuple):
    """What an arm has found.

    Attributes
    ----------
    values
        Its values.
    left_alone
        Rows of heads that would have no key left, and were left as they are.
    """

    values: ArmValues
    left_alone: int


def plan_arms(
    labelled: Labelled, route: Route, norms__lh: Floats, options: ValidateOptions
) -> tuple[tuple[Arm, ...], dict[str, str]]:
    """Return the arms of every role, and those that cannot be tried, with the reason.

    Parameters
    ----------
    labelled
        Roles and heads, which the model has.
    route
        How the model's attention is read.
    norms__lh
        Mean output norm of every head.
    options
        Number and seed of the matched sets.
    """
    arms: list[Arm] = []
    not_tried: dict[str, str] = {}
    for role, heads in labelled.items():
        for name in OF_EDGES:
            if route.returned:
                not_tried[f"{role.name}: {name}"] = _RETURNED
            else:
                arms.append(Arm(role, name, 0, heads))
        arms.append(Arm(role, HEADS, 0, heads))
        sets = matched_sets(heads, route.heads_per_layer, norms__lh, options.sets, options.seed)
        arms += [
            Arm(role, MATCHED, n, tuple(each), _ratio(norms__lh, each, heads))
            for n, each in enumerate(sets)
        ]
        if not sets:
            not_tried[f"{role.name}: {MATCHED}"] = _FEW_HEADS
    return tuple(arms), not_tried


def _ratio(norms__lh: Floats, heads: Heads, others: Heads) -> float:
    """Return the mean norm of some heads over that of others."""
    mine, theirs = (np.mean([norms__lh[each] for each in some]) for some in (heads, others))
    return float(mine / theirs) if theirs else float("nan")
