"""Which heads have a role on one side alone: named where they are few, else counted by role."""

from __future__ import annotations

from headscore.report.change_table import ChangeTable
from headscore.report.side_words import SIDES, change_word, places_of
from headscore.report.wording import cell_name, how_many, listing
from headscore.scores.signature import printable

NAMED = 6  # heads at most that a sentence names
_UNDECIDED = "{has} {role} {here}, undecided {there}"
_LACKS = "{has} {role} {here} and {lacks} it {there}"
_PAIRED = {
    "gained": "gained {role}",
    "lost": "lost {role}",
    "appeared": _UNDECIDED,
    "vanished": _UNDECIDED,
}
_TWO_SAMPLES = {**_PAIRED, "gained": _LACKS, "lost": _LACKS}
_ONE = {"has": "has", "lacks": "lacks"}
_SEVERAL = {"has": "have", "lacks": "lack"}


def shown(change: ChangeTable) -> str:
    """Return which heads have a role on one side and lack it on the other, or that none does."""
    found = _sentences(change, "gained", "lost")
    before, after = map(printable, change.names)
    named = change.paired and change.names != SIDES
    if found:
        return " ".join([f"From {before} to {after}:", *found] if named else found)
    none = f"None of {how_many(int(change.heads_per_layer.sum()), 'head')} is shown to have"
    if change.paired:
        return f"{none} gained or lost a role{f' from {before} to {after}' if named else ''}."
    places = places_of(change.facts)
    return f"{none} a role {places['before']} and lack it {places['after']}, or the reverse."


def still_open(change: ChangeTable) -> str:
    """Return which heads have a role on one side and may have it on the other; "" for none."""
    found = _sentences(change, "appeared", "vanished")
    if unclear := by_role(change, "unclear"):
        word = change_word(change.facts)
        found.append(f"The role is shown on one side only, the {word} is not: {unclear}.")
    return " ".join(["Open:", *found] if found else [])


def by_role(change: ChangeTable, outcome: str) -> str:
    """Return the heads with an outcome, ``"nsubj 1.8, 0.2; obj 1.1"``, or how many of each role."""
    heads = _heads(change, outcome)
    few = _are_few(heads)
    return "; ".join(
        f"{printable(role)} {', '.join(names) if few else len(names)}"
        for role, names in heads.items()
    )


def _sentences(change: ChangeTable, *outcomes: str) -> list[str]:
    """Return a sentence for each of the outcomes that some head has."""
    return [_sentence(change, each, heads) for each in outcomes if (heads := _heads(change, each))]


def _sentence(change: ChangeTable, outcome: str, heads: dict[str, list[str]]) -> str:
    places = places_of(change.facts)
    here, there = SIDES[::-1] if outcome in ("gained", "appeared") else SIDES
    template = (_PAIRED if change.paired else _TWO_SAMPLES)[outcome]

    def clause(subject: str, role: str, words: dict[str, str]) -> str:
        verb = template.format(role=role, here=places[here], there=places[there], **words)
        return f"{subject} {verb}"

    if not _are_few(heads):
        return f"{clause('Heads that', 'a role', _SEVERAL)}: {by_role(change, outcome)}."
    clauses = [
        clause(listing(names), printable(role), _ONE if len(names) == 1 else _SEVERAL)
        for role, names in heads.items()
    ]
    return f"{'; '.join(clauses)}."


def _heads(change: ChangeTable, outcome: str) -> dict[str, list[str]]:
    """Return the names of the heads with an outcome by role, the largest change first."""
    heads: dict[str, list[str]] = {role: [] for role in change.roles}
    for _, row in change.heads(outcome).iterrows():
        heads[row["role"]].append(cell_name(row))
    return {role: names for role, names in heads.items() if names}


def _are_few(heads: dict[str, list[str]]) -> bool:
    return sum(map(len, heads.values())) <= NAMED
