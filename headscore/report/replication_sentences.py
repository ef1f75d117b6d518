"""Sentences on replications: the summary, the answer, a reading of each role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headscore.report.replication_table import ReplicationTable
from headscore.report.sentences import untested
from headscore.report.signs import UNTESTED
from headscore.report.wording import how_many, listing
from headscore.scores.signature import printable
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED, VERDICTS

if TYPE_CHECKING:
    import pandas as pd

_MOST_NUMBERS = 6  # of studies, in a table of counts
_DIRECTIONS = {"holm": "Holm", "bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli"}


def summary(replication: ReplicationTable) -> str:
    """Return the studies and the results as a few lines."""
    n = verdicts(replication.table)
    lines = [
        experiment(replication),
        *(_study(row) for row in replication.studies.to_dict("records")),
        f"role in {wanted(replication)}: has {n[HAS]}, has not {n[HAS_NOT]}, "
        f"undecided {n[UNDECIDED]}",
        *(f"{printable(role)}: {of_role(replication, role)}" for role in replication.roles),
        depending(replication),
        guarantee(replication),
        *untested(replication.table),
    ]
    return "\n".join(lines)


def experiment(replication: ReplicationTable) -> str:
    """Return the number of studies and heads, and the options of the tests."""
    facts, heads = replication.facts, replication.heads_per_layer
    by = "" if facts["by"] == "none" else f" of one corpus, by {facts['by']}"
    what = "tau on attained" if facts["criterion"] == "attained" else "tau"
    label = "" if facts["label"] == "label" else ", beyond position"
    return (
        f"{how_many(len(replication.studies), 'study', 'studies')}{by}; "
        f"{how_many(int(heads.sum()), 'head')} in {how_many(len(heads), 'layer')}; "
        f"{what} {printable(facts['tau'])}{label}, alpha {facts['alpha']}, adjust {facts['adjust']}"
    )


def answer(replication: ReplicationTable) -> str:
    """Return how many cells have the role in enough studies, do not, or are undecided."""
    n = verdicts(replication.table)
    if not sum(n.values()):
        return "No head could be tested in any role."
    cells = how_many(sum(n.values()), "pair")
    return (
        f"Of {cells} of a head and a role, {n[HAS] or 'none'} {_is(n[HAS])} shown to hold in "
        f"{wanted(replication)}, {n[HAS_NOT] or 'none'} {_is(n[HAS_NOT])} shown to hold in fewer "
        f"or none, {n[UNDECIDED] or 'none'} {_is(n[UNDECIDED])} undecided."
    )


def of_role(replication: ReplicationTable, role: str) -> str:
    """Return in how many studies the heads of a role are shown to have it."""
    rows = replication.table[replication.table["role"] == role]
    n = verdicts(rows)
    tested = sum(n.values())
    if not tested:
        return f"not tested ({rows['status'].iloc[0]})"
    numbers = shown_numbers(replication)
    counts = shown_counts(replication)[role]
    return (
        f"{n[HAS]} of {how_many(tested, 'head')} in {wanted(replication)}, "
        f"{n[HAS_NOT]} in fewer, {n[UNDECIDED]} undecided; "
        f"in at least {_joined(numbers)}: {_joined(counts)}"
    )


def depending(replication: ReplicationTable) -> str:
    """Return how many cells are shown to depend on the study."""
    n = len(replication.differing())
    if not n:
        return "No head is shown to have a role in one study and not in another."
    heads = "One head is" if n == 1 else f"{n} heads are"
    return f"{heads} shown to have a role in one study and not to have it in another."


def guarantee(replication: ReplicationTable) -> str:
    """Return what the counts hold with."""
    adjust, alpha = replication.facts["adjust"], replication.facts["alpha"]
    if adjust == "holm":
        return (
            f"With probability {1 - float(alpha):.6g} no head has a role in fewer studies than "
            "shown: for all heads, roles and numbers of studies at once, however studies depend."
        )
    if adjust == "none":
        return "Not adjusted: each head, role and number of studies is tested on its own."
    return (
        f"{_DIRECTIONS[adjust]}-adjusted over heads and roles, for each number of studies on its "
        "own: only one that was chosen beforehand has the guarantee."
    )


def wanted(replication: ReplicationTable) -> str:
    """Return the number of studies asked for as text."""
    n, least = len(replication.studies), replication.at_least
    every = "both studies" if n == 2 else f"all {n} studies"
    return every if least == n else f"at least {least} of {n} studies"


def words(replication: ReplicationTable) -> dict[str, str]:
    """Return what the signs of some states mean in a map of the replication."""
    return {
        HAS: f"the role is shown in {wanted(replication)}",
        HAS_NOT: "shown to have it in fewer, or in none",
        UNTESTED: "not tested in so many studies",
    }


def verdicts(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows of each verdict, in the order of `VERDICTS`."""
    return {state: int((table["verdict"] == state).sum()) for state in VERDICTS}


def shown_numbers(replication: ReplicationTable) -> list[int]:
    """Return the numbers of studies of a table of counts: all, or some from 1 to K."""
    n = len(replication.studies)
    if n <= _MOST_NUMBERS:
        return list(range(1, n + 1))
    return sorted({1, n // 4, n // 2, 3 * n // 4, replication.at_least, n})


def shown_counts(replication: ReplicationTable) -> dict[str, list[int]]:
    """Return the heads of each role shown in at least each of `shown_numbers` studies."""
    counts = replication.counted()[shown_numbers(replication)].to_numpy()
    return {role: row.tolist() for role, row in zip(replication.roles, counts, strict=True)}


def listed_studies(names: list[str]) -> str:
    """Return names of studies as text, ``"-"`` for none."""
    return ", ".join(printable(name) for name in names) or "-"


def _study(row: dict[object, object]) -> str:
    return (
        f"{printable(str(row['name']))}: {row['sequences']} sequences, "
        f"{printable(str(row['unit']))}, {row['labels']} labels"
    )


def _is(n: int) -> str:
    return "is" if n <= 1 else "are"


def _joined(numbers: list[int]) -> str:
    return listing([str(number) for number in numbers])
