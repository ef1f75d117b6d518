"""Rounds of shards: the shards of a run that may stop, and the looks after some of them.

The corpus is put into random order and cut into shards of as many documents each. There are looks
after 1, 2, 4, 8, ... shards and after all, but for those at fewer documents than a first look
needs::

    shard    0 | 1 | 2   3 | 4   5   6   7 | 8   9
    look       0   1       2               3       4

Which shards there are, and where the looks, depends on the corpus, the number of shards and the
seed alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from headscore.arrays import Ints
from headscore.declarations import declared
from headscore.errors import UsageError
from headscore.options import StopOptions, TestOptions, UntilOptions
from headscore.parsing.source import Source
from headscore.scores.spool import Spool
from headscore.statistics.looks import FACT, FIRST, at_each, rounds_of
from headscore.statistics.stopping import Stopping

FIELDS = ("stopping", "unit", "looks_after")  # of a fingerprint


@dataclass(frozen=True, eq=False)
class ShardPlan:
    """The shards of a run that may stop.

    Attributes
    ----------
    spool, counts
        The corpus, and the counts of reading it.
    positions
        Of each shard: the positions in the corpus of its sequences, in order.
    looks_after
        Number of shards at each look.
    unit
        Name of the unit of independence.
    """

    spool: Spool
    counts: Mapping[str, int]
    positions: list[Ints]
    looks_after: tuple[int, ...]
    unit: str

    def bounds(self) -> tuple[int, ...]:
        """Return the first sequence of each shard in the order of reading, and their number."""
        return (0, *np.cumsum([len(each) for each in self.positions]).tolist())

    def fields(self, rule: str) -> dict[str, str]:
        """Return the fields of a fingerprint: the rule, and what was planned."""
        after = ",".join(map(str, self.looks_after))
        return dict(zip(FIELDS, (rule, self.unit, after), strict=True))


def rule_of(options: UntilOptions) -> str:
    """Return the rule by which a run stops as a text, from which `options_of` makes it again."""
    names = [each.name for group in (StopOptions, TestOptions) for each, _ in declared(group)]
    rule = {name: getattr(options, name) for name in names}
    return json.dumps({**rule, "tau": _plain(options.tau)})


def options_of(rule: str, roles: Any) -> UntilOptions:
    """Return the options of a rule that `rule_of` wrote, for some roles."""
    return UntilOptions(**json.loads(rule), roles=roles)


def _plain(tau: Any) -> Any:
    return dict(tau) if isinstance(tau, Mapping) else tau


@lru_cache(maxsize=1)
def plan_shards(source: Source, n_shards: int, rule: str) -> ShardPlan:
    """Read a corpus and plan its shards; cached for the next shard.

    Raises
    ------
    UsageError
        There are more shards than documents, or sequences where these are the unit; or alpha is
        too small for the looks.
    InputError
        The corpus cannot be read.
    """
    counts: Counter[str] = Counter()
    spool = Spool(source.sequences(counts))
    options = options_of(rule, UntilOptions.roles)
    stopping = Stopping(options)
    units = stopping.units_of(spool)
    n_units = int(units.max()) + 1
    if n_shards > n_units:
        raise UsageError(
            f"shards must be at most the {n_units} documents or sequences that are independent, "
            f"got {n_shards}"
        )
    sizes = [-(-n_units * shard // n_shards) for shard in range(1, n_shards + 1)]
    after = looks_after(sizes)
    at_each(options, {FACT: str(len(after))})  # raises an error before any shard is computed
    return ShardPlan(
        spool=spool,
        counts=dict(counts),
        positions=rounds_of(units, sizes, options.seed),
        looks_after=after,
        unit=stopping.unit,
    )


def looks_after(sizes: list[int]) -> tuple[int, ...]:
    """Return after how many shards there is a look: 1, 2, 4, ..., all.

    Parameters
    ----------
    sizes
        Units of the first shard, of the first two, ..., of all.
    """
    doubled = (1 << power for power in range((len(sizes) - 1).bit_length()))
    return (*(n for n in doubled if sizes[n - 1] >= FIRST), len(sizes))
