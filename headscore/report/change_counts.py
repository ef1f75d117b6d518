"""How many sequences, and units such as documents, take part in each role on each side."""

from __future__ import annotations

from headscore.options import DOCUMENT, NONE
from headscore.report.change_table import ChangeTable
from headscore.report.side_words import SIDES, places_of
from headscore.scores.signature import printable


def titles(change: ChangeTable) -> list[str]:
    """Return the names of the counts of `taking_part`."""
    names = [name for name in ("sequences", _unit(change)) if name]
    if change.paired:
        return names
    return [f"{name} {place}" for place in places_of(change.facts).values() for name in names]


def taking_part(change: ChangeTable) -> dict[str, list[int]]:
    """Return the sequences of each role, and their units where these are clusters.

    Of two samples first those before, then those after; sides that are paired have the same ones.
    Where layers differ, as keys may be visible to some only, the most count.
    """
    sides = [""] if change.paired else [f"_{side}" for side in SIDES]
    names = ["n", "n_clusters"] if _unit(change) else ["n"]
    columns = [f"{name}{side}" for side in sides for name in names]
    most = change.table.groupby("role", sort=False)[columns].max()
    return {str(role): list(map(int, numbers)) for role, *numbers in most.itertuples()}


def line(change: ChangeTable) -> str:
    """Return the counts of all roles in one line."""
    unit = _unit(change)
    what = f"sequences ({unit})" if unit else "sequences"
    size = 2 if unit else 1
    roles = []
    for role, numbers in taking_part(change).items():
        sides = [numbers[n : n + size] for n in range(0, len(numbers), size)]
        texts = [f"{n}{''.join(f' ({m})' for m in units)}" for n, *units in sides]
        roles.append(f"{printable(role)} {' and '.join(texts)}")
    names = "" if change.paired else f", {' and '.join(map(printable, change.names))}"
    return f"{what} that take part{names}: {', '.join(roles)}"


def _unit(change: ChangeTable) -> str:
    """Return what the units are where they are counted, else ""."""
    clusters = change.facts["clusters"]
    lacking = not change.paired and change.table["n_clusters_before"].isna().all()
    if clusters == NONE or lacking:  # a file may lack them
        return ""
    return "documents" if clusters == DOCUMENT else "clusters"
