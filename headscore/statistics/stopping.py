"""Stopping: decide at each look at a growing sample whether a run has read enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from headscore.arrays import Ints
from headscore.errors import UsageError
from headscore.options import DECIDED, MAXT, UntilOptions
from headscore.roles.specs import parse_roles
from headscore.scores.head_scores import HeadScores
from headscore.scores.matched_rows import MATCHED
from headscore.statistics.clusters import Documented, clusters_of
from headscore.statistics.criterion import criterion_of
from headscore.statistics.looks import FACT, at_each, planned, rounds_of
from headscore.statistics.summary import Summary
from headscore.statistics.table import make_table
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED

_TRAIL = "decided"  # fact: what each look found


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes
    ----------
    sequences
        Sequences read by then.
    decided, tests
        Tests with verdict has or has_not, of those that could be decided.
    """

    sequences: int
    decided: int
    tests: int


@dataclass
class Stopping:
    """The rule by which a run stops: enough tests are decided.

    A test can be decided where the cell is tested, has too few units so far, or is of a role that
    the options name and no sequence takes part in so far. Such a role of a set, such as block of
    "paper", is not waited for.

    Attributes
    ----------
    options
        The share that must be decided, the seed of the order, and how is tested.
    planned, unit, total
        Looks, name of the unit of independence, and sequences of the corpus, once it is planned.
    looks
        What each look found.
    """

    options: UntilOptions
    planned: int = 0
    unit: str = ""
    total: int = 0
    looks: list[Look] = field(default_factory=list)

    def plan(self, corpus: Documented) -> list[Ints]:
        """Return the positions of the sequences of each round; raise InputError as `clusters_of`.

        An alpha that is too small for the looks is a UsageError.

        The units of the corpus come in random order, those of a unit in the order of the corpus.
        """
        units = self.units_of(corpus)
        sizes = planned(int(units.max()) + 1)
        self.planned = len(sizes)
        at_each(self.options, {FACT: str(self.planned)})  # raises an error before any model runs
        return rounds_of(units, sizes, self.options.seed)

    def units_of(self, corpus: Documented) -> Ints:
        """Return the number of the unit of each sequence, int64 (sequence,)."""
        clusters = clusters_of(corpus, self.options.clusters)
        self.unit, self.total = clusters.name, len(corpus.sequence_ids)
        return clusters.units(self.total)

    def stops(self, scores: HeadScores, n_read: int) -> bool:
        """Test the scores of the first `n_read` sequences; return whether enough is decided."""
        options = self.options
        clusters = clusters_of(scores, options.clusters)
        criterion = criterion_of(options, scores.roles, scores.attainable)
        # Verdicts do not need the controls of word pairs, nor the thirds by length.
        unused: dict[str, Any] = dict.fromkeys((*MATCHED, "excess", "position_sums", "lengths"))
        tested = replace(scores, facts={**scores.facts, FACT: str(self.planned)}, **unused)
        summary = Summary.of_scores(
            tested, criterion, clusters, ddof=options.ddof, with_sums=options.adjust == MAXT
        )
        look = _look(make_table(summary, criterion, options), _named(options), n_read)
        self.looks.append(look)
        # With few usable documents those of a look may be too few to be the unit of its tests.
        same_unit = clusters.name == self.unit
        return same_unit and look.tests > 0 and look.decided >= options.share * look.tests

    def facts(self) -> dict[str, str]:
        """Return the facts of the run: rule, seed, planned looks, and what each look found."""
        until = self.options.until
        found = (f"{each.sequences}:{each.decided}/{each.tests}" for each in self.looks)
        return {
            "until": DECIDED if until == DECIDED else f"{self.options.share:g}",
            "seed": str(self.options.seed),
            FACT: str(self.planned),
            "read": f"{self.looks[-1].sequences} of {self.total}",
            _TRAIL: " ".join(found),
        }


def check_until(options: UntilOptions) -> None:
    """Check options that do not go together with `until`; raise UsageError."""
    clusters = options.clusters
    if clusters is not None and not isinstance(clusters, str):
        raise UsageError(
            "clusters must be 'auto', 'document', 'none' or None with until, got ids of sequences"
        )
    if options.keep_scores == "none":
        raise UsageError("keep_scores must not be 'none' with until, which tests scores at looks")


def trail(facts: Mapping[str, str]) -> Iterator[Look]:
    """Yield what each look found, from the facts of scores or a report; none of a plain run."""
    for text in facts.get(_TRAIL, "").split():
        sequences, _, counts = text.partition(":")
        decided, _, tests = counts.partition("/")
        yield Look(int(sequences), int(decided), int(tests))


def _named(options: UntilOptions) -> set[str]:
    """Return the roles that the options name, not those of a set."""
    return {role.name for role in parse_roles(options.roles) if not role.from_set}


def _look(table: pd.DataFrame, named: set[str], n_read: int) -> Look:
    verdict, status = table["verdict"], table["status"]
    decided = verdict.isin((HAS, HAS_NOT))
    later = (status == "insufficient_n") | (status == "no_sieve") & table["role"].isin(named)
    return Look(n_read, int(decided.sum()), int((decided | later | (verdict == UNDECIDED)).sum()))
